//! What the doctor looks at: a stable name for each check, and why it matters.

/// Writes each check down once: its variant, its name in reports, and why it matters.
macro_rules! checks {
    ($($variant:ident $name:literal $why:literal)*) => {
        /// One thing that the doctor looks at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(#[doc = $why] $variant,)*
        }

        impl Check {
            /// All checks, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in reports. Stable: scripts go by it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Why it matters, in one or two sentences.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why),* }
            }
        }
    };
}

checks! {
    Database "database"
        "The gateway keeps its uploads there. Without it every call is answered with 503."
    Endpoint "endpoint"
        "The gateway opens, lists and completes uploads at storage.endpoint."
    PublicEndpoint "public_endpoint"
        "Clients send every byte to storage.public_endpoint, by URLs that are signed for exactly that address."
    Tls "tls"
        "Clients and gateway refuse to talk to a server whose certificate they cannot trust."
    Clock "clock"
        "Signatures carry the time. Storage refuses those that are more than 15 minutes off, and URLs expire too early or too late."
    Credentials "credentials"
        "Everything that the gateway asks of storage is signed with these keys."
    Signer "signer"
        "The URLs that clients upload to are signed with this identity's keys."
    Region "region"
        "The region is part of every signature."
    Addressing "addressing"
        "The bucket's name goes into the path or into the host name of every URL, and storage must expect it there."
    Bucket "bucket"
        "Uploads go to this bucket, and /readyz asks whether it is there."
    PermissionCreate "permission.create"
        "Files of more than one part are opened with CreateMultipartUpload."
    PermissionUploadPart "permission.upload_part"
        "Clients send parts by signed URLs."
    PermissionListParts "permission.list_parts"
        "What storage lists is what the gateway completes; a client's report alone is never believed."
    PermissionComplete "permission.complete"
        "Parts become an object by CompleteMultipartUpload."
    PermissionAbort "permission.abort"
        "What nobody finishes is taken back. Parts that stay cost money and are in no list of objects."
    PermissionHead "permission.head"
        "An upload counts as completed only when a HEAD shows the object."
    PermissionGet "permission.get"
        "Downloads, and files with a declared sha256, are read back."
    PermissionPut "permission.put"
        "Files of one part are a single signed PUT."
    PermissionDelete "permission.delete"
        "Objects that are proven wrong, and small files that were aborted, are deleted."
    PermissionListUploads "permission.list_uploads"
        "Multipart uploads whose creation was never answered are found by this list."
    PermissionLifecycle "permission.lifecycle"
        "The bucket's lifecycle rules may take uploads away before they are finished, so they are worth reading."
    Cors "cors"
        "Browsers ask storage (a preflight) before they send a part, and send nothing if storage does not allow it."
    CorsExposed "cors.exposed"
        "Pages read the ETag of a part only where storage exposes it. Uploads work without; the page learns less."
    UrlLength "url.length"
        "A signed URL is worth exactly the bytes that were declared. Where storage does not hold clients to the length, limits and quotas can be passed."
    UrlChecksum "url.checksum"
        "Storage itself refuses corrupted bytes, for the checksum kinds that it enforces."
    UrlHeaders "url.headers"
        "Whoever has a signed URL may add headers. Storage must refuse those that were not signed, x-amz-copy-source above all: it would put any object that the signer may read in the place of the upload."
    UrlExpiry "url.expiry"
        "A signed URL that leaks is worth something until it expires."
    CompleteConditional "complete.conditional"
        "Two uploads to one key: without conditional writes the last one silently replaces the first."
    PutConditional "put.conditional"
        "A signed PUT may create an object and never replace one."
    CompleteRepeat "complete.repeat"
        "After a lost answer, the gateway completes again."
    ListPrefix "list.prefix"
        "The sweep finds multipart uploads that nobody knows by listing them under storage.prefix."
    ListChecksums "list.checksums"
        "Where storage lists the checksums of parts, the gateway checks the whole file's without reading it."
    PartsMinimum "parts.minimum"
        "An upload whose parts are smaller than storage allows fails when it is completed, after all of it was sent."
    PartsEqual "parts.equal"
        "The gateway cuts files into equal parts, as some stores demand; other tools may not."
    Abort "abort"
        "After an abort nothing of the upload may be left in storage."
    Lifecycle "lifecycle"
        "A rule that aborts incomplete uploads cleans up even if no gateway runs. One that is shorter than uploads.lifetime destroys uploads that people still work on."
    StoreCleanup "store.cleanup"
        "Some stores remove incomplete uploads by themselves, whatever the bucket's rules are."
    Orphans "orphans"
        "Multipart uploads that no upload wants cost money and show in no list of objects."
    GatewayUrls "gateway.urls"
        "Clients must reach gateway and storage by addresses that browsers let them mix."
    Leftovers "leftovers"
        "The doctor leaves nothing in the bucket."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Check::ALL.iter().map(|check| check.name()).collect();
        assert_eq!(names.len(), Check::ALL.len());
    }
}
