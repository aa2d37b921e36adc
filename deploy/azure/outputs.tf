output "url" {
  description = "Where people reach the gateway."
  value       = local.public_url
}

output "resource_group" {
  description = "Where everything is."
  value       = azurerm_resource_group.ombud.name
}

output "vault" {
  description = "The Key Vault with the first admin key (bootstrap-key)."
  value       = azurerm_key_vault.ombud.name
}
