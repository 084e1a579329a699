variable "bucket" {
  description = "Name of the bucket to make: 3 to 63 small letters, digits and hyphens."
  type        = string
}

variable "origins" {
  description = "Origins of the pages that upload, such as https://app.example.com; the one of public_url is added."
  type        = list(string)
  default     = []
}

variable "public_url" {
  description = "How clients reach the gateway, such as https://upload.example.com; null where they call it as you do."
  type        = string
  default     = null
}

variable "prefix" {
  description = "Keys of all uploads begin with this (storage.prefix); the identities may touch nothing else. Empty for the whole bucket."
  type        = string
  default     = ""
}

variable "upload_lifetime" {
  description = "How long an unfinished upload may go on (uploads.lifetime), such as 90m, 36h or 7d. The bucket aborts what is left at least a day later."
  type        = string
  default     = "7d"
}

variable "url_lifetime" {
  description = "How long a signed URL is good for (urls.ttl), such as 15m. The keys of a role last for hours, and no URL outlives them."
  type        = string
  default     = "15m"
}

variable "versioning" {
  description = "Whether the bucket keeps versions of replaced and deleted objects. They are billed until a rule of yours ends them (foreign_lifecycle_rules)."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "KMS key to encrypt with; null for S3's own keys (SSE-S3). Its key policy must let the account's identities use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[^:]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a key, not of an alias: permissions are given on keys."
  }
}

variable "tags_objects" {
  description = "Whether storage.tags is set: putting an object with tags is a permission of its own."
  type        = bool
  default     = false
}

variable "proxies" {
  description = "Networks of the proxies in front of the gateway (http.trusted_proxies), such as those of the load balancer's subnets."
  type        = list(string)
  default     = []
}

variable "log_bucket" {
  description = "Bucket that takes the access log; null for none."
  type        = string
  default     = null
}

variable "foreign_lifecycle_rules" {
  description = "Lifecycle rules of yours. They are given here because one resource owns all rules of a bucket: what is elsewhere would be lost."
  type = list(object({
    id      = string
    enabled = optional(bool, true)
    prefix  = optional(string, "")
    # Days since the object was made.
    expiration_days = optional(number)
    # Days since a version was replaced or deleted.
    noncurrent_expiration_days = optional(number)
    transitions                = optional(list(object({ days = number, storage_class = string })), [])
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for rule in var.foreign_lifecycle_rules : rule.id != "partgate-abort-incomplete"])
    error_message = "partgate-abort-incomplete is the name of the module's own rule."
  }
}

variable "force_destroy" {
  description = "Whether terraform destroy deletes the bucket with all that is in it. For trying things out."
  type        = bool
  default     = false
}

variable "signer_user" {
  description = "Name of an IAM user for storage.signer, who may only put objects; null for none. S3 refuses unsigned headers, so it is a second wall there. Make its access key by hand, and no state knows it."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}
