variable "subscription_id" {
  description = "Where everything is made."
  type        = string
}

variable "name" {
  description = "Begins the name of everything; unique in Azure, small letters and digits."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.name))
    error_message = "Three to sixteen small letters and digits, a letter first."
  }
}

variable "location" {
  description = "Region; it needs Managed Redis and Container Apps."
  type        = string
  default     = "westeurope"
}

variable "registry_id" {
  description = "Resource id of the Container Registry that holds the images."
  type        = string
}

variable "registry_server" {
  description = "Its address, for example ombud.azurecr.io."
  type        = string
}

variable "image_tag" {
  description = "Tag of ombud, ombud-gateway and ombud-mlflow in the registry."
  type        = string
}

variable "public_url" {
  description = "Address people use; empty: the one that Azure gives."
  type        = string
  default     = ""
}

variable "operator_addresses" {
  description = "Public IPv4 addresses from which Terraform may write secrets; nobody else reaches the vault from outside."
  type        = list(string)
}

variable "redis_sku" {
  description = "Size of Managed Redis."
  type        = string
  default     = "Balanced_B3"
}

variable "database_sku" {
  description = "Size of PostgreSQL."
  type        = string
  default     = "GP_Standard_D2ds_v5"
}

variable "zone_redundant" {
  description = "Whether database, environment and storage survive the loss of a zone; twice the price of the database."
  type        = bool
  default     = true
}

variable "openai_api_key" {
  description = "Key of the LLM's API, if it may be asked."
  type        = string
  default     = ""
  sensitive   = true
}

variable "mlflow" {
  description = "own: MLflow's server runs here; or the address of one of yours; or off."
  type        = string
  default     = "own"
}
