variable "bucket" {
  description = "Name of the bucket that partgate uploads to."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket has 3 to 63 small letters, digits and hyphens. No dots: TLS certificates of S3 do not match them."
  }
}

variable "region" {
  description = "Region of the bucket."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "origins" {
  description = "Origins of the pages that upload, such as https://app.example.com; the one of public_url is added."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.origins : can(regex("^(\\*|https?://[^/*,[:space:]]+(:\\*)?)$", origin))])
    error_message = "An origin has the form https://host[:port], without a path and without a slash at the end; * is any."
  }
}

variable "public_url" {
  description = "How clients reach the gateway, such as https://upload.example.com. The upload page is served there."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https?://[^/?#[:space:]]+(/[^?#[:space:]]*)?$", var.public_url))
    error_message = "public_url has the form https://host[:port][/path]."
  }
}

variable "prefix" {
  description = "Keys of all uploads begin with this (storage.prefix); the identities may touch nothing else. Empty for the whole bucket."
  type        = string
  default     = ""
  nullable    = false

  validation {
    # S3 takes keys of 1,024 bytes; the gateway leaves room for an upload id and a file name.
    condition     = length(var.prefix) <= 512 && !startswith(var.prefix, "/") && !can(regex("[*?]", var.prefix))
    error_message = "prefix has at most 512 characters, no / at its beginning, and no * or ?, which have a meaning in policies."
  }
}

variable "upload_lifetime" {
  description = "How long an unfinished upload may go on (uploads.lifetime): a whole number of minutes, hours or days, such as 90m, 36h or 7d; 1 minute to 365 days."
  type        = string
  default     = "7d"
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]{0,5}[mhd]$", var.upload_lifetime))
    error_message = "upload_lifetime is a whole number of m, h or d, such as 36h."
  }
}

variable "url_lifetime" {
  description = "How long a signed URL is good for (urls.ttl), such as 15m; at most 7d."
  type        = string
  default     = "15m"
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]{0,5}[smhd]$", var.url_lifetime))
    error_message = "url_lifetime is a whole number of s, m, h or d, such as 15m."
  }
}

variable "versioned" {
  description = "Whether the bucket keeps versions: the gateway then also reads and deletes the versions that it made."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "The KMS key that the bucket encrypts with; null for S3's own keys (SSE-S3)."
  type        = string
  default     = null
}

variable "tags_objects" {
  description = "Whether storage.tags is set: putting an object with tags is a permission of its own."
  type        = bool
  default     = false
  nullable    = false
}

variable "proxies" {
  description = "Networks of the proxies in front of the gateway, whose X-Forwarded-For is believed (http.trusted_proxies)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for net in var.proxies : can(cidrhost(net, 0))])
    error_message = "A proxy's network has the form 10.0.0.0/8."
  }
}
