// Trying a text: the result comes into the page, and what was typed stays.
import { send } from "./fragment.js";

export function startTrying() {
  const form = document.querySelector("form[data-try]");
  if (!form) return;
  const text = form.querySelector("textarea");
  let result = document.querySelector("[data-result]");
  async function score(event) {
    event.preventDefault();
    try {
      result = await send(form, result);
      result.focus();
    } catch {
      form.submit();
    }
  }
  form.addEventListener("submit", score);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  const examples = form.querySelector("[data-examples]");
  examples.hidden = false;
  for (const example of examples.querySelectorAll("[data-example]")) {
    example.addEventListener("click", () => {
      text.value = example.textContent;
      form.requestSubmit();
    });
  }
}
