variable "bucket" {
  description = "Name of the bucket to make."
  type        = string
}

variable "host" {
  description = "Name that clients reach the gateway by, such as upload.example.com."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone of that name."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate of that name, in this region."
  type        = string
}

variable "app_origins" {
  description = "Origins of the pages that upload."
  type        = list(string)
}

variable "image" {
  description = "The gateway's image."
  type        = string
}

variable "vpc_id" {
  description = "The network to run in."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets of gateways and database."
  type        = list(string)
}

variable "token_secrets_arn" {
  description = "Secret with auth.token_secrets."
  type        = string
}

variable "signer_secret_arn" {
  description = "Secret with the keys of the user that is made here for signing; null until they exist."
  type        = string
  default     = null
}
