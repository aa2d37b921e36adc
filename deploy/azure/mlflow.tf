# MLflow's server with its pages, where `mlflow` is `own`. It asks for no password, so it has an address of the environment only.

locals {
  own_mlflow  = var.mlflow == "own" ? ["own"] : []
  mlflow_host = "mlflow.internal.${local.domain}"
  mlflow      = var.mlflow == "own" ? "http://${local.mlflow_host}" : var.mlflow
}

# its store is a file of SQLite, which wants locks: NFS has them, SMB as Container Apps mounts it has not
resource "azurerm_storage_account" "mlflow" {
  for_each                        = toset(local.own_mlflow)
  name                            = "${var.name}mlflow"
  location                        = azurerm_resource_group.ombud.location
  resource_group_name             = azurerm_resource_group.ombud.name
  account_kind                    = "FileStorage"
  account_tier                    = "Premium"
  account_replication_type        = var.zone_redundant ? "ZRS" : "LRS"
  https_traffic_only_enabled      = false # NFS speaks no TLS here; it leaves this network nowhere
  min_tls_version                 = "TLS1_2"
  public_network_access_enabled   = false
  allow_nested_items_to_be_public = false
}

resource "azurerm_storage_share" "mlflow" {
  for_each           = azurerm_storage_account.mlflow
  name               = "mlflow"
  storage_account_id = each.value.id
  enabled_protocol   = "NFS"
  quota              = 100 # the least there is
}

resource "azurerm_private_endpoint" "mlflow" {
  for_each            = azurerm_storage_account.mlflow
  name                = "${var.name}-mlflow"
  location            = azurerm_resource_group.ombud.location
  resource_group_name = azurerm_resource_group.ombud.name
  subnet_id           = azurerm_subnet.endpoints.id

  private_service_connection {
    name                           = "mlflow"
    private_connection_resource_id = each.value.id
    subresource_names              = ["file"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "mlflow"
    private_dns_zone_ids = [azurerm_private_dns_zone.ombud["files"].id]
  }
}

resource "azurerm_container_app_environment_storage" "mlflow" {
  for_each                     = azurerm_storage_share.mlflow
  name                         = "mlflow"
  container_app_environment_id = azurerm_container_app_environment.ombud.id
  nfs_server_url               = azurerm_storage_account.mlflow[each.key].primary_file_host
  share_name                   = "/${azurerm_storage_account.mlflow[each.key].name}/${each.value.name}"
  access_mode                  = "ReadWrite"
}

resource "azurerm_container_app" "mlflow" {
  for_each                     = azurerm_container_app_environment_storage.mlflow
  name                         = "mlflow"
  resource_group_name          = azurerm_resource_group.ombud.name
  container_app_environment_id = azurerm_container_app_environment.ombud.id
  revision_mode                = "Single"
  workload_profile_name        = "Consumption"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app["mlflow"].id]
  }

  registry {
    server   = var.registry_server
    identity = azurerm_user_assigned_identity.app["mlflow"].id
  }

  ingress {
    target_port                = 5000
    external_enabled           = false
    allow_insecure_connections = true # inside of the environment; the trainer tells it by http

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas                     = 1 # one process writes its store
    max_replicas                     = 1
    termination_grace_period_seconds = 10

    container {
      name   = "mlflow"
      image  = "${var.registry_server}/ombud-mlflow:${var.image_tag}"
      args   = ["--allowed-hosts", "${local.mlflow_host},localhost:*,127.0.0.1:*"]
      cpu    = 1.0
      memory = "2Gi"

      volume_mounts {
        name = "mlflow"
        path = "/var/lib/mlflow"
      }

      # by TCP: it answers only to names it knows, and a probe asks for an address
      startup_probe {
        transport               = "TCP"
        port                    = 5000
        interval_seconds        = 10
        failure_count_threshold = 30
      }

      readiness_probe {
        transport = "TCP"
        port      = 5000
      }

      liveness_probe {
        transport               = "TCP"
        port                    = 5000
        interval_seconds        = 10
        failure_count_threshold = 6
      }
    }

    volume {
      name         = "mlflow"
      storage_type = "NfsAzureFile"
      storage_name = each.value.name
    }
  }

  depends_on = [azurerm_role_assignment.image, azurerm_private_endpoint.mlflow]
}
