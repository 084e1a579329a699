variable "image" {
  description = "The gateway's image with its tag or digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("(:[^:/]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image names a tag other than latest, or a digest: tasks that start later should be the same."
  }
}

variable "environment" {
  description = "Settings of the gateway: gateway_environment of the bucket's module, and yours over it."
  type        = map(string)
  nullable    = false

  validation {
    condition     = contains(keys(var.environment), "PARTGATE_LISTEN") && contains(keys(var.environment), "PARTGATE_STORAGE__BUCKET")
    error_message = "environment is gateway_environment of the bucket's module, with more if need be."
  }
}

variable "secrets" {
  description = "Settings that are secret: the name of the variable, and the ARN where ECS finds its value (valueFrom)."
  type        = map(string)
  nullable    = false

  validation {
    condition     = contains(keys(var.secrets), "PARTGATE_DATABASE") && contains(keys(var.secrets), "PARTGATE_AUTH__TOKEN_SECRETS")
    error_message = "secrets has PARTGATE_DATABASE and PARTGATE_AUTH__TOKEN_SECRETS at least."
  }
}

variable "log_group" {
  description = "The log group in CloudWatch."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the log group."
  type        = string
  nullable    = false
}
