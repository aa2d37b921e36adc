"""An evaluation's document as tables for people. Decides nothing; every number stands in the document, too."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

Document = Mapping[str, Any]
MOST_ROWS = 60
"""Rows of a table of slices; the document holds all."""
NOT_KNOWN = "–"  # noqa: RUF001 - a dash, as print has it


def number(value: float | None, interval: Any = None) -> str:
    """Return a figure with three decimals, with its interval if there is one; a dash where it is unknown."""
    if value is None:
        return NOT_KNOWN
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def show(console: Console, document: Document) -> None:
    """Print everything an evaluation found."""
    for line in heading(document):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if document["categories"]:
        console.print(_ranked(document["categories"]))
        console.print(_decided(document["categories"]))
    category = document["category"]
    for title in ("functionalities", "groups", "languages"):
        if title in document:
            console.print(_sliced(f"{category}: {title}", document[title]))
    for kind, at in (("shipped", "at the shipped threshold"), ("half", "at 0.5")):
        if lowest := document.get("worst", {}).get(kind):
            said = (
                f"Worst functionality {at}: {lowest['name']}, accuracy {number(lowest['accuracy'])} (n {lowest['n']})"
            )
            console.print(said, highlight=False, soft_wrap=True, markup=False)
        if "gap" in document:
            said = gap_told(document["gap"][kind])
            console.print(f"Gap between groups {at}: {said}", highlight=False, soft_wrap=True, markup=False)
    if "templates" in document:
        console.print(_templates(category, document["templates"]))
    if "correlations" in document:
        table = Table("Perspective's attribute", "n", "Spearman", "high", "AUC of high", box=SIMPLE)
        for name, each in document["correlations"].items():
            table.add_row(name, str(each["n"]), number(each["spearman"]), str(each["high"]), number(each["auc"]))
        console.print(table)
    if "spans" in document:
        spans = document["spans"]
        told = number(spans["f1"], spans["f1_interval"])
        console.print(f"Spans: character F1 {told} (n {spans['n']})", highlight=False, markup=False)


def heading(document: Document) -> list[str]:
    """Return what was judged, by whom, and what was left out."""
    file, scorer = document["material"], document["scorer"]
    left = ", ".join(f"{rows} {why}" for why, rows in file["left_out"].items())
    lines = [f"{file['file']} ({file['layout']}): {file['cases']} rows{f'; left out: {left}' if left else ''}."]
    if "model" in scorer:
        lines.append(f"Scored by {document['backend']}: model {scorer['model']} ({scorer['artifact'][:12]}).")
    if "llm" in scorer:
        llm = scorer["llm"]
        outcomes = ", ".join(f"{rows} {what}" for what, rows in llm["outcomes"].items() if rows)
        asked = f"{llm['sent']} of {llm['texts']} texts sent; " if "sent" in llm else ""
        lines.append(
            f"LLM {llm['model_requested']}: {asked}{outcomes or 'nothing asked'}; {llm['calls']} calls, "
            f"{llm['cost_usd']:.4f} USD of {llm['budget_usd']:.2f}."
        )
    return lines


def gap_told(gap: Document) -> str:
    """Return a gap in words."""
    if gap["difference"] is None:
        return f"{NOT_KNOWN} (fewer than two groups with enough rows)"
    rates = gap["rates"]
    high, low = gap["largest"], gap["smallest"]
    return (
        f"{number(gap['difference'])} (false positives {number(rates[high][0])} {high}, n {rates[high][1]}; "
        f"{number(rates[low][0])} {low}, n {rates[low][1]})"
    )


def _ranked(categories: Document) -> Table:
    table = Table("category", "n", "1s", "unscored", "AUC [95 %]", "AP", "ECE", box=SIMPLE)
    for name, each in categories.items():
        counts = (str(each["n"]), str(each["positives"]), str(each["unscored"]))
        ranked = (number(each["auc"], each["auc_interval"]), number(each["average_precision"]), number(each["ece"]))
        table.add_row(name, *counts, *ranked)
    return table


def _decided(categories: Document) -> Table:
    table = Table("category", "at", "accuracy", "balanced [95 %]", "recall 1", "recall 0", "F1", "flagged", box=SIMPLE)
    for name, each in categories.items():
        for kind in ("shipped", "half"):
            at = each[kind]
            interval = each["balanced_accuracy_interval"] if kind == "shipped" else None
            table.add_row(
                name if kind == "shipped" else "",
                "by row" if at["threshold"] is None else f"{at['threshold']:.2f}",
                number(at["accuracy"]),
                number(at["balanced_accuracy"], interval),
                number(at["recall"]),
                number(at["specificity"]),
                number(at["f1"]),
                str(at["flagged"]),
            )
    return table


def _sliced(title: str, slices: Document) -> Table:
    table = Table(title, "n", "1s", "accuracy", "at 0.5", "recall 1", "recall 0", "AUC", box=SIMPLE)

    def lowest(item: tuple[str, Document]) -> float:
        accuracy = item[1]["shipped"]["accuracy"]
        return 2.0 if accuracy is None else float(accuracy)

    for name, each in sorted(slices.items(), key=lowest)[:MOST_ROWS]:
        at, half = each["shipped"], each["half"]
        told = (at["accuracy"], half["accuracy"], at["recall"], at["specificity"], each["auc"])
        table.add_row(name, str(each["n"]), str(each["positives"]), *map(number, told))
    return table


def _templates(category: str, templates: Document) -> Table:
    table = Table(f"{category}: template", "n", "AUC", "recall 1", "recall 0", "gap", "gap at 0.5", box=SIMPLE)
    for name, each in templates.items():
        at, gap = each["shipped"], each["gap"]
        told = [number(each["auc"]), number(at["recall"]), number(at["specificity"])]
        gaps = [
            number(gap[kind]["difference"]) + _ends(gap[kind]) if gap else NOT_KNOWN for kind in ("shipped", "half")
        ]
        table.add_row(name, str(each["n"]), *told, *gaps)
    return table


def _ends(gap: Document) -> str:
    return "" if gap["difference"] is None else f" ({gap['largest']}; {gap['smallest']})"


def show_cascade(console: Console, document: Document) -> None:
    """Print the smallest shares at which the cascade reaches parts of what the LLM alone gives."""
    for line in (line for file in document["files"] for line in heading(file)):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    table = Table("file", "order", "metric", "local", "LLM", *("90 %", "95 %", "99 %", "100 %"), "best", box=SIMPLE)
    for file in document["files"]:
        name = file["material"]["file"]
        for order, each in file["orders"].items():
            for metric, shares in each["shares"].items():
                best = each["best"][metric]
                told = "" if best is None else f"{best['value']:.3f} at {100 * best['share']:.0f} %"
                sent = [NOT_KNOWN if share is None else f"{100 * share:.1f}" for share in shares.values()]
                ends = (number(file["local"][metric]), number(file["llm"][metric]))
                table.add_row(name, order, metric.replace("_", " "), *ends, *sent, told)
                name = order = ""
    console.print(table)
    console.print("Per cent of posts sent at which the cascade reaches that part of what the LLM alone gives.")
