variable "name" {
  description = "Name of everything that is made here."
  type        = string
  default     = "partgate"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name has 2 to 24 small letters, digits and hyphens, a letter first: load balancers take no longer names."
  }
}

variable "image" {
  description = "The gateway's image with its tag or digest, from a registry that the private subnets can reach. infra/Dockerfile builds it."
  type        = string
}

variable "vpc_id" {
  description = "The network to run in."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "A load balancer wants subnets in at least two zones."
  }
}

variable "private_subnet_ids" {
  description = "Subnets of gateways and database, in at least two zones, with a way to S3, Secrets Manager, CloudWatch and the image's registry (NAT or VPC endpoints)."
  type        = list(string)

  validation {
    condition     = length(var.private_subnet_ids) >= 2
    error_message = "The database wants subnets in at least two zones."
  }
}

variable "certificate_arn" {
  description = "ACM certificate of the name in public_url."
  type        = string
}

variable "client_networks" {
  description = "Networks that may call the gateway."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "environment" {
  description = "gateway_environment of the bucket's module, and settings of yours over it. Nothing secret."
  type        = map(string)
}

variable "gateway_policy_arn" {
  description = "gateway_policy_arn of the bucket's module."
  type        = string
}

variable "token_secrets_arn" {
  description = "Secret in Secrets Manager with auth.token_secrets: \"k1:\" and what `openssl rand -hex 32` prints. Make it by hand, and no state knows it."
  type        = string
}

variable "signer_secret_arn" {
  description = "Secret with the keys of storage.signer, as JSON: {\"access_key_id\": …, \"secret_access_key\": …}; null where URLs are signed by the task's role."
  type        = string
  default     = null
}

variable "secrets_kms_key_arn" {
  description = "KMS key of these secrets, and of what is encrypted here (database, its password, log); null for AWS's own keys."
  type        = string
  default     = null
}

variable "tasks" {
  description = "How many gateways run. Two or more, so that one may stop while the other serves."
  type        = number
  default     = 2

  validation {
    condition     = var.tasks >= 1 && floor(var.tasks) == var.tasks
    error_message = "tasks is a whole number, at least 1."
  }
}

variable "cpu" {
  description = "CPU units of a task, 1,024 for a core. A gateway signs and remembers; bytes pass it by."
  type        = number
  default     = 512
}

variable "memory" {
  description = "Memory of a task in MiB, one that Fargate has for this cpu."
  type        = number
  default     = 1024
}

variable "architecture" {
  description = "What the image is built for: X86_64 or ARM64."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture is X86_64 or ARM64."
  }
}

variable "database_class" {
  description = "Instance class of PostgreSQL."
  type        = string
  default     = "db.t4g.small"
}

variable "database_version" {
  description = "Version of PostgreSQL; minor versions follow by themselves."
  type        = string
  default     = "17"
}

variable "database_password_version" {
  description = "Raise it by one for a new password of the database. Gateways take it when they are started anew, which the same apply does."
  type        = number
  default     = 1
}

variable "deletion_protection" {
  description = "Whether database and load balancer refuse to be destroyed."
  type        = bool
  default     = true
}

variable "log_days" {
  description = "For how many days the log is kept, one that CloudWatch knows."
  type        = number
  default     = 365
}

variable "access_log_bucket" {
  description = "Bucket for the load balancer's access log; null for none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}
