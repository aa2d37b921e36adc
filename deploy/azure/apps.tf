# The five services, the gateway, and the job that makes tables.

resource "azurerm_log_analytics_workspace" "ombud" {
  name                = "${var.name}-logs"
  location            = azurerm_resource_group.ombud.location
  resource_group_name = azurerm_resource_group.ombud.name
  sku                 = "PerGB2018"
  retention_in_days   = 30
}

resource "azurerm_container_app_environment" "ombud" {
  name                       = "${var.name}-ombud"
  location                   = azurerm_resource_group.ombud.location
  resource_group_name        = azurerm_resource_group.ombud.name
  infrastructure_subnet_id   = azurerm_subnet.apps.id
  logs_destination           = "log-analytics"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.ombud.id
  zone_redundancy_enabled    = var.zone_redundant

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }
}

# files are mounted with the account's key: Container Apps knows no other way yet
resource "azurerm_container_app_environment_storage" "artifacts" {
  for_each                     = { read = "ReadOnly", write = "ReadWrite" }
  name                         = "artifacts-${each.key}"
  container_app_environment_id = azurerm_container_app_environment.ombud.id
  account_name                 = azurerm_storage_account.ombud.name
  access_key                   = azurerm_storage_account.ombud.primary_access_key
  share_name                   = azurerm_storage_share.artifacts.name
  access_mode                  = each.value
}

locals {
  domain     = azurerm_container_app_environment.ombud.default_domain
  public_url = var.public_url == "" ? "https://gateway.${local.domain}" : var.public_url

  # streams each group hears, as in shared/streams.py; reports are a few a day and scale nothing
  hears = {
    ingest     = []
    classifier = ["posts.ingested", "posts.deleted", "posts.corrected", "models.trained", "models.promoted"]
    trainer    = ["posts.deleted", "posts.scored", "posts.corrected", "posts.rated", "rounds.decided"]
    auditor    = ["posts.deleted", "posts.scored", "posts.corrected", "posts.rated", "models.trained", "models.promoted"]
    reporter   = ["posts.deleted", "posts.scored", "posts.corrected", "models.trained", "models.promoted", "posts.status_changed"]
  }

  services = {
    ingest     = { cpu = 0.5, memory = "1Gi", least = 2, most = 6, lag = 0, artifacts = "" }
    classifier = { cpu = 1.0, memory = "2Gi", least = 2, most = 10, lag = 2000, artifacts = "read" }
    trainer    = { cpu = 2.0, memory = "4Gi", least = 1, most = 2, lag = 5000, artifacts = "write" }
    auditor    = { cpu = 1.0, memory = "2Gi", least = 2, most = 6, lag = 5000, artifacts = "read" }
    reporter   = { cpu = 0.5, memory = "1Gi", least = 2, most = 6, lag = 5000, artifacts = "" }
  }

  settings = {
    OMBUD_HOST             = "0.0.0.0"
    OMBUD_PORT             = "8080"
    OMBUD_DATABASE_URL     = "postgresql+asyncpg://ombud@${azurerm_postgresql_flexible_server.ombud.fqdn}:5432/ombud?ssl=require"
    OMBUD_DATA_DIR         = "/tmp/ombud"
    OMBUD_ARTIFACTS_DIR    = "/var/lib/ombud/artifacts"
    OMBUD_PUBLIC_URL       = local.public_url
    OMBUD_MIGRATE_AT_START = "false"
    OMBUD_LOG_FORMAT       = "json"
  }

  own_settings = {
    ingest     = { OMBUD_INGEST_CLASSIFIER_URL = "http://classifier.internal.${local.domain}" }
    classifier = {}
    trainer    = { OMBUD_TRAINER_MLFLOW = local.mlflow }
    auditor    = {}
    reporter   = { OMBUD_REPORTER_INGEST_URL = "http://ingest.internal.${local.domain}", OMBUD_REPORTER_CLASSIFIER_URL = "http://classifier.internal.${local.domain}", OMBUD_REPORTER_TRAINER_URL = "http://trainer.internal.${local.domain}", OMBUD_REPORTER_AUDITOR_URL = "http://auditor.internal.${local.domain}" } # the console asks the others
  }

  secret_settings = {
    OMBUD_DATABASE_PASSWORD = "database-password"
    OMBUD_REDIS_URL         = "redis-url"
    OMBUD_BOOTSTRAP_KEY     = "bootstrap-key"
    OMBUD_PSEUDONYM_SALT    = "pseudonym-salt"
    OPENAI_API_KEY          = "openai-api-key"

    OMBUD_REPORTER_WEBHOOK_KEY = "webhook-key"
  }
}

resource "azurerm_container_app" "service" {
  for_each                     = local.services
  name                         = each.key
  resource_group_name          = azurerm_resource_group.ombud.name
  container_app_environment_id = azurerm_container_app_environment.ombud.id
  revision_mode                = "Single"
  workload_profile_name        = "Consumption"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app[each.key].id]
  }

  registry {
    server   = var.registry_server
    identity = azurerm_user_assigned_identity.app[each.key].id
  }

  dynamic "secret" {
    for_each = toset(local.reads[each.key])
    content {
      name                = secret.value
      identity            = azurerm_user_assigned_identity.app[each.key].id
      key_vault_secret_id = azurerm_key_vault_secret.ombud[secret.value].versionless_id
    }
  }

  ingress {
    target_port                = 8080
    external_enabled           = false
    allow_insecure_connections = true # inside of the environment; the gateway asks by http

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas                     = each.value.least
    max_replicas                     = each.value.most
    termination_grace_period_seconds = 40

    container {
      name   = each.key
      image  = "${var.registry_server}/ombud:${var.image_tag}"
      args   = ["run", each.key]
      cpu    = each.value.cpu
      memory = each.value.memory

      dynamic "env" {
        for_each = merge(local.settings, local.own_settings[each.key])
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = { for name, secret in local.secret_settings : name => secret if contains(local.reads[each.key], secret) && (name != "OPENAI_API_KEY" || nonsensitive(var.openai_api_key != "")) }
        content {
          name        = env.key
          secret_name = env.value
        }
      }

      dynamic "volume_mounts" {
        for_each = each.value.artifacts == "" ? [] : ["artifacts"]
        content {
          name = volume_mounts.value
          path = "/var/lib/ombud/artifacts"
        }
      }

      startup_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/livez"
        interval_seconds        = 10
        failure_count_threshold = 30
      }

      readiness_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/readyz"
        interval_seconds        = 5
        timeout                 = 5
        failure_count_threshold = 3
      }

      liveness_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/livez"
        interval_seconds        = 10
        timeout                 = 5
        failure_count_threshold = 6
      }
    }

    dynamic "volume" {
      for_each = each.value.artifacts == "" ? [] : [each.value.artifacts]
      content {
        name         = "artifacts"
        storage_type = "AzureFile"
        storage_name = azurerm_container_app_environment_storage.artifacts[volume.value].name
      }
    }

    dynamic "custom_scale_rule" {
      for_each = toset(local.hears[each.key])
      content {
        name             = replace(replace(custom_scale_rule.value, ".", "-"), "_", "-")
        custom_rule_type = "redis-streams"
        metadata = {
          address       = "${azurerm_managed_redis.broker.hostname}:${local.broker.port}"
          stream        = custom_scale_rule.value
          consumerGroup = each.key
          lagCount      = tostring(each.value.lag)
          enableTLS     = "true"
        }
        authentication {
          secret_name       = "redis-password"
          trigger_parameter = "password"
        }
      }
    }

    dynamic "http_scale_rule" {
      for_each = length(local.hears[each.key]) == 0 ? ["requests"] : []
      content {
        name                = http_scale_rule.value
        concurrent_requests = "50"
      }
    }
  }

  depends_on = [azurerm_role_assignment.secret, azurerm_role_assignment.image, azurerm_private_endpoint.ombud]
}

resource "azurerm_container_app" "gateway" {
  name                         = "gateway"
  resource_group_name          = azurerm_resource_group.ombud.name
  container_app_environment_id = azurerm_container_app_environment.ombud.id
  revision_mode                = "Single"
  workload_profile_name        = "Consumption"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app["gateway"].id]
  }

  registry {
    server   = var.registry_server
    identity = azurerm_user_assigned_identity.app["gateway"].id
  }

  ingress {
    target_port      = 8080
    external_enabled = true

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas = 2
    max_replicas = 6

    container {
      name    = "gateway"
      image   = "${var.registry_server}/ombud-gateway:${var.image_tag}"
      command = ["/bin/sh", "-c", file("${path.module}/gateway.sh")]
      cpu     = 0.25
      memory  = "0.5Gi"

      env {
        name  = "PLACE"
        value = templatefile("${path.module}/place.conf.tftpl", { domain = local.domain })
      }

      readiness_probe {
        transport = "HTTP"
        port      = 8080
        path      = "/healthz"
      }

      liveness_probe {
        transport = "HTTP"
        port      = 8080
        path      = "/healthz"
      }
    }

    http_scale_rule {
      name                = "requests"
      concurrent_requests = "200"
    }
  }

  depends_on = [azurerm_role_assignment.image]
}

resource "azurerm_container_app_job" "migrate" {
  name                         = "migrate"
  location                     = azurerm_resource_group.ombud.location
  resource_group_name          = azurerm_resource_group.ombud.name
  container_app_environment_id = azurerm_container_app_environment.ombud.id
  workload_profile_name        = "Consumption"
  replica_timeout_in_seconds   = 900
  replica_retry_limit          = 3

  manual_trigger_config {
    parallelism              = 1
    replica_completion_count = 1
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app["migrate"].id]
  }

  registry {
    server   = var.registry_server
    identity = azurerm_user_assigned_identity.app["migrate"].id
  }

  secret {
    name                = "database-password"
    identity            = azurerm_user_assigned_identity.app["migrate"].id
    key_vault_secret_id = azurerm_key_vault_secret.ombud["database-password"].versionless_id
  }

  template {
    container {
      name   = "migrate"
      image  = "${var.registry_server}/ombud:${var.image_tag}"
      args   = ["migrate"]
      cpu    = 0.5
      memory = "1Gi"

      dynamic "env" {
        for_each = local.settings
        content {
          name  = env.key
          value = env.value
        }
      }

      env {
        name        = "OMBUD_DATABASE_PASSWORD"
        secret_name = "database-password"
      }
    }
  }

  depends_on = [azurerm_role_assignment.secret, azurerm_role_assignment.image, azurerm_postgresql_flexible_server_database.ombud]
}
