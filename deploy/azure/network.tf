# Only the gateway is reachable from the world. Database, broker, vault and files have addresses of this network alone.

resource "azurerm_resource_group" "ombud" {
  name     = "${var.name}-ombud"
  location = var.location
}

resource "azurerm_virtual_network" "ombud" {
  name                = "${var.name}-network"
  location            = azurerm_resource_group.ombud.location
  resource_group_name = azurerm_resource_group.ombud.name
  address_space       = ["10.40.0.0/16"]
}

resource "azurerm_subnet" "apps" {
  name                 = "apps"
  resource_group_name  = azurerm_resource_group.ombud.name
  virtual_network_name = azurerm_virtual_network.ombud.name
  address_prefixes     = ["10.40.0.0/23"]

  delegation {
    name = "apps"
    service_delegation {
      name    = "Microsoft.App/environments"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "database" {
  name                 = "database"
  resource_group_name  = azurerm_resource_group.ombud.name
  virtual_network_name = azurerm_virtual_network.ombud.name
  address_prefixes     = ["10.40.2.0/27"]

  delegation {
    name = "database"
    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "endpoints" {
  name                 = "endpoints"
  resource_group_name  = azurerm_resource_group.ombud.name
  virtual_network_name = azurerm_virtual_network.ombud.name
  address_prefixes     = ["10.40.3.0/27"]
}

locals {
  zones = {
    database = "${var.name}.postgres.database.azure.com"
    redis    = "privatelink.redis.azure.net"
    vault    = "privatelink.vaultcore.azure.net"
    files    = "privatelink.file.core.windows.net"
  }

  endpoints = {
    redis = { target = azurerm_managed_redis.broker.id, part = "redisEnterprise" }
    vault = { target = azurerm_key_vault.ombud.id, part = "vault" }
    files = { target = azurerm_storage_account.ombud.id, part = "file" }
  }
}

resource "azurerm_private_dns_zone" "ombud" {
  for_each            = local.zones
  name                = each.value
  resource_group_name = azurerm_resource_group.ombud.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "ombud" {
  for_each              = local.zones
  name                  = each.key
  resource_group_name   = azurerm_resource_group.ombud.name
  private_dns_zone_name = azurerm_private_dns_zone.ombud[each.key].name
  virtual_network_id    = azurerm_virtual_network.ombud.id
}

resource "azurerm_private_endpoint" "ombud" {
  for_each            = local.endpoints
  name                = "${var.name}-${each.key}"
  location            = azurerm_resource_group.ombud.location
  resource_group_name = azurerm_resource_group.ombud.name
  subnet_id           = azurerm_subnet.endpoints.id

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.target
    subresource_names              = [each.value.part]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = each.key
    private_dns_zone_ids = [azurerm_private_dns_zone.ombud[each.key].id]
  }
}
