# What has to last: tables, streams, artifacts.

resource "random_password" "database" {
  length  = 40
  special = false
}

resource "azurerm_postgresql_flexible_server" "ombud" {
  name                          = "${var.name}-ombud"
  location                      = azurerm_resource_group.ombud.location
  resource_group_name           = azurerm_resource_group.ombud.name
  version                       = "17"
  sku_name                      = var.database_sku
  storage_mb                    = 131072
  auto_grow_enabled             = true
  administrator_login           = "ombud"
  administrator_password        = random_password.database.result
  delegated_subnet_id           = azurerm_subnet.database.id
  private_dns_zone_id           = azurerm_private_dns_zone.ombud["database"].id
  public_network_access_enabled = false
  backup_retention_days         = 14

  dynamic "high_availability" {
    for_each = var.zone_redundant ? ["ZoneRedundant"] : []
    content {
      mode = high_availability.value
    }
  }

  depends_on = [azurerm_private_dns_zone_virtual_network_link.ombud]

  lifecycle {
    ignore_changes = [zone, high_availability[0].standby_availability_zone]
  }
}

resource "azurerm_postgresql_flexible_server_database" "ombud" {
  name      = "ombud"
  server_id = azurerm_postgresql_flexible_server.ombud.id
  charset   = "UTF8"
  collation = "en_US.utf8"

  lifecycle {
    prevent_destroy = true
  }
}

# one keyspace without slots: a commit is one script over several keys; it refuses when full and never forgets
resource "azurerm_managed_redis" "broker" {
  name                      = "${var.name}-ombud"
  location                  = azurerm_resource_group.ombud.location
  resource_group_name       = azurerm_resource_group.ombud.name
  sku_name                  = var.redis_sku
  high_availability_enabled = true
  public_network_access     = "Disabled"

  default_database {
    access_keys_authentication_enabled            = true
    client_protocol                               = "Encrypted"
    clustering_policy                             = "NoCluster"
    eviction_policy                               = "NoEviction"
    persistence_append_only_file_backup_frequency = "1s"
  }
}

resource "azurerm_storage_account" "ombud" {
  name                            = "${var.name}ombud"
  location                        = azurerm_resource_group.ombud.location
  resource_group_name             = azurerm_resource_group.ombud.name
  account_tier                    = "Standard"
  account_replication_type        = var.zone_redundant ? "ZRS" : "LRS"
  min_tls_version                 = "TLS1_2"
  public_network_access_enabled   = false
  allow_nested_items_to_be_public = false

  share_properties {
    retention_policy {
      days = 14
    }
  }
}

resource "azurerm_storage_share" "artifacts" {
  name               = "artifacts"
  storage_account_id = azurerm_storage_account.ombud.id
  quota              = 50
}
