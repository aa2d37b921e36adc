# Each service has an identity of its own, and each identity reads the secrets that its service needs, one by one.

data "azurerm_client_config" "operator" {}

resource "random_password" "bootstrap" {
  length  = 48
  special = false
}

resource "random_password" "salt" {
  length  = 40
  special = false
}

resource "random_password" "webhook" {
  length  = 48
  special = false
}

resource "azurerm_key_vault" "ombud" {
  name                       = "${var.name}-ombud"
  location                   = azurerm_resource_group.ombud.location
  resource_group_name        = azurerm_resource_group.ombud.name
  tenant_id                  = data.azurerm_client_config.operator.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 30

  network_acls {
    bypass         = "AzureServices"
    default_action = "Deny"
    ip_rules       = var.operator_addresses
  }
}

resource "azurerm_role_assignment" "operator" {
  scope                = azurerm_key_vault.ombud.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.operator.object_id
}

locals {
  broker = azurerm_managed_redis.broker.default_database[0]

  secrets = {
    database-password = random_password.database.result
    redis-url         = "rediss://:${urlencode(local.broker.primary_access_key)}@${azurerm_managed_redis.broker.hostname}:${local.broker.port}/0"
    redis-password    = local.broker.primary_access_key
    bootstrap-key     = "ombud_${random_password.bootstrap.result}"
    pseudonym-salt    = random_password.salt.result
    webhook-key       = random_password.webhook.result
    openai-api-key    = var.openai_api_key == "" ? "none" : var.openai_api_key
  }

  reads = {
    ingest     = ["database-password", "redis-url", "bootstrap-key", "pseudonym-salt"]
    classifier = ["database-password", "redis-url", "redis-password", "openai-api-key"]
    trainer    = ["database-password", "redis-url", "redis-password"]
    auditor    = ["database-password", "redis-url", "redis-password"]
    reporter   = ["database-password", "redis-url", "redis-password", "webhook-key"]
    migrate    = ["database-password"]
    gateway    = []
    mlflow     = []
  }

  grants = merge([for app, names in local.reads : { for name in names : "${app}-${name}" => { app = app, secret = name } }]...)
}

resource "azurerm_key_vault_secret" "ombud" {
  for_each     = toset(keys(local.secrets))
  name         = each.key
  value        = local.secrets[each.key]
  key_vault_id = azurerm_key_vault.ombud.id
  depends_on   = [azurerm_role_assignment.operator]
}

resource "azurerm_user_assigned_identity" "app" {
  for_each            = local.reads
  name                = "${var.name}-${each.key}"
  location            = azurerm_resource_group.ombud.location
  resource_group_name = azurerm_resource_group.ombud.name
}

resource "azurerm_role_assignment" "secret" {
  for_each             = local.grants
  scope                = azurerm_key_vault_secret.ombud[each.value.secret].resource_versionless_id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.app[each.value.app].principal_id
}

resource "azurerm_role_assignment" "image" {
  for_each             = local.reads
  scope                = var.registry_id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.app[each.key].principal_id
}
