//! What whoever holds a signed URL may try with it.

use reqwest::Method;

use crate::harness::{bytes, checksum};

/// What signed URLs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part 2 of 3, with its checksum.
    Part,
    /// The same without one.
    BarePart,
    /// A small file, with its checksum.
    Put,
    /// The same without one.
    BarePut,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Part, Self::BarePart, Self::Put, Self::BarePut];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::BarePart => "part without checksum",
            Self::Put => "file",
            Self::BarePut => "file without checksum",
        }
    }

    pub(super) fn is_part(self) -> bool {
        matches!(self, Self::Part | Self::BarePart)
    }

    pub(super) fn has_checksum(self) -> bool {
        matches!(self, Self::Part | Self::Put)
    }
}

/// A request as the gateway signed it, to be bent.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Sent without its length.
    pub(super) is_chunked: bool,
}

/// What an attempt may need to know.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) kind: Kind,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) other_bucket: String,
    /// Storage's name of another upload.
    pub(super) other_upload: String,
}

/// An attempt by its name; it answers false where it makes no sense.
pub(super) type Attempt = (&'static str, fn(&mut Wire, &World) -> bool);

impl Wire {
    fn replace(&mut self, from: &str, to: &str) -> bool {
        let bent = self.url.replacen(from, to, 1);
        assert_ne!(bent, self.url, "{from} is not in {}", self.url);
        self.url = bent;
        true
    }

    /// Puts another value in the place of a parameter's.
    fn set(&mut self, name: &str, value: &str) -> bool {
        let old = self.parameter(name);
        self.replace(&format!("{name}={old}"), &format!("{name}={value}"))
    }

    pub(super) fn parameter(&self, name: &str) -> String {
        let pairs = self.url.split(['?', '&']).filter_map(|pair| pair.split_once('='));
        pairs.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next().unwrap()
    }

    fn drop_parameter(&mut self, name: &str) -> bool {
        let pair = format!("{name}={}", self.parameter(name));
        self.url = self.url.replace(&format!("{pair}&"), "").replace(&format!("&{pair}"), "");
        true
    }

    fn query(&mut self, more: &str) -> bool {
        self.url.push('&');
        self.url.push_str(more);
        true
    }

    fn header(&mut self, name: &str, value: &str) -> bool {
        self.headers.push((name.to_owned(), value.to_owned()));
        true
    }

    fn drop_header(&mut self, beginning: &str) -> bool {
        self.headers.retain(|(name, _)| !name.starts_with(beginning));
        true
    }

    fn method(&mut self, method: Method) -> bool {
        self.method = method;
        self.body.clear();
        true
    }
}

/// Only the right request is not among them.
pub(super) const ATTEMPTS: &[Attempt] = &[
    // Another place.
    ("another part number", |wire, world| world.kind.is_part() && wire.set("partNumber", "3")),
    ("partNumber again at the end", |wire, _| wire.query("partNumber=3")),
    ("partNumber again at the start", |wire, world| {
        world.kind.is_part() && wire.replace("?", "?partNumber=3&")
    }),
    ("uploadId of another upload", |wire, world| {
        world.kind.is_part() && wire.set("uploadId", &world.other_upload)
    }),
    ("uploadId again", |wire, world| wire.query(&format!("uploadId={}", world.other_upload))),
    ("a part instead of the file", |wire, world| {
        !world.kind.is_part() && wire.query(&format!("partNumber=1&uploadId={}", world.other_upload))
    }),
    ("the file instead of a part", |wire, world| {
        world.kind.is_part() && wire.drop_parameter("partNumber") && wire.drop_parameter("uploadId")
    }),
    ("another key", |wire, _| wire.replace("/mine.bin", "/other.bin")),
    ("a key below", |wire, _| wire.replace("/mine.bin", "/mine.bin/below")),
    ("a slash more", |wire, _| wire.replace("/mine.bin", "//mine.bin")),
    ("a slash encoded", |wire, _| wire.replace("/mine.bin", "%2Fmine.bin")),
    ("the bucket itself", |wire, world| wire.replace(&format!("/{}", world.key), "")),
    ("another bucket", |wire, world| {
        wire.replace(&format!("/{}/", world.bucket), &format!("/{}/", world.other_bucket))
    }),
    // Another action.
    ("GET", |wire, _| wire.method(Method::GET)),
    ("HEAD", |wire, _| wire.method(Method::HEAD)),
    ("POST", |wire, _| wire.method(Method::POST)),
    ("DELETE", |wire, _| wire.method(Method::DELETE)),
    ("?acl", |wire, _| wire.query("acl")),
    ("?tagging", |wire, _| wire.query("tagging")),
    ("?retention", |wire, _| wire.query("retention")),
    ("?uploads by POST", |wire, _| wire.query("uploads") && wire.method(Method::POST)),
    ("?versionId", |wire, _| wire.query("versionId=null")),
    ("?x-amz-acl", |wire, _| wire.query("x-amz-acl=public-read")),
    ("?x-amz-copy-source", |wire, world| {
        wire.query(&format!("x-amz-copy-source=%2F{}%2Fsecret", world.bucket))
    }),
    ("?response-content-type by GET", |wire, _| {
        wire.query("response-content-type=text%2Fhtml") && wire.method(Method::GET)
    }),
    // Other bytes.
    ("one byte more", |wire, _| {
        wire.body.push(0);
        true
    }),
    ("one byte less", |wire, _| wire.body.pop().is_some()),
    ("no bytes", |wire, _| {
        wire.body.clear();
        true
    }),
    ("bytes without a length", |wire, _| {
        wire.is_chunked = true;
        true
    }),
    ("other bytes under the checksum", |wire, world| {
        wire.body = bytes(99, wire.body.len());
        world.kind.has_checksum()
    }),
    ("other bytes with their checksum", |wire, world| {
        wire.body = bytes(99, wire.body.len());
        let value = checksum("crc64nvme", &wire.body);
        wire.drop_header("x-amz-checksum")
            && wire.header("x-amz-checksum-crc64nvme", &value)
            && world.kind.has_checksum()
    }),
    ("another kind of checksum", |wire, world| {
        let value = checksum("crc32", &wire.body);
        wire.drop_header("x-amz-checksum")
            && wire.header("x-amz-checksum-crc32", &value)
            && world.kind.has_checksum()
    }),
    ("no checksum", |wire, world| wire.drop_header("x-amz-checksum") && world.kind.has_checksum()),
    ("bytes in aws-chunked", |wire, _| {
        // As long as signed, and shorter once it is unwrapped.
        let inner = wire.body.len() - 200;
        let mut framed = format!("{inner:x}\r\n").into_bytes();
        framed.extend_from_slice(&wire.body[..inner]);
        framed.extend_from_slice(b"\r\n0\r\nx-amz-filler:");
        let filler = wire.body.len() - framed.len() - 4;
        framed.extend(std::iter::repeat_n(b'x', filler));
        framed.extend_from_slice(b"\r\n\r\n");
        wire.body = framed;
        wire.header("content-encoding", "aws-chunked")
            && wire.header("x-amz-decoded-content-length", &inner.to_string())
            && wire.header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    }),
    // Another life.
    ("a longer X-Amz-Expires", |wire, _| wire.set("X-Amz-Expires", "90000")),
    ("an X-Amz-Expires before the signed one", |wire, _| wire.replace("?", "?X-Amz-Expires=90000&")),
    ("a second X-Amz-Expires", |wire, _| wire.query("X-Amz-Expires=90000")),
    ("another X-Amz-Date", |wire, _| {
        let date = wire.parameter("X-Amz-Date");
        wire.set("X-Amz-Date", &bumped(&date))
    }),
    ("another X-Amz-Credential", |wire, _| {
        let credential = wire.parameter("X-Amz-Credential");
        wire.set("X-Amz-Credential", &credential.replacen("partgate", "somebody", 1))
    }),
    ("another region", |wire, _| {
        let credential = wire.parameter("X-Amz-Credential");
        wire.set("X-Amz-Credential", &credential.replacen("us-east-1", "eu-west-1", 1))
    }),
    ("fewer X-Amz-SignedHeaders", |wire, _| {
        wire.drop_header("x-amz-")
            && wire.drop_header("if-none-match")
            && wire.set("X-Amz-SignedHeaders", "host")
    }),
    ("no X-Amz-Signature", |wire, _| wire.drop_parameter("X-Amz-Signature")),
    ("another X-Amz-Signature", |wire, _| {
        let signature = wire.parameter("X-Amz-Signature");
        let flipped = if signature.ends_with('0') { '1' } else { '0' };
        wire.set("X-Amz-Signature", &format!("{}{flipped}", &signature[..signature.len() - 1]))
    }),
    // Headers that nobody signed.
    ("x-amz-copy-source", |wire, world| {
        wire.header("x-amz-copy-source", &format!("/{}/secret", world.bucket))
    }),
    ("x-amz-copy-source of a range", |wire, world| {
        wire.header("x-amz-copy-source", &format!("/{}/secret", world.bucket))
            && wire.header("x-amz-copy-source-range", "bytes=0-5")
    }),
    ("x-amz-copy-source in place of the bytes", |wire, world| {
        // The copy takes the headers that were signed, with the upload's id among them.
        wire.header("x-amz-copy-source", &format!("/{}/secret", world.bucket))
            && wire.header("x-amz-metadata-directive", "REPLACE")
            && !world.kind.is_part()
    }),
    ("x-amz-acl", |wire, _| wire.header("x-amz-acl", "public-read")),
    ("x-amz-grant-read", |wire, _| {
        let everybody = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
        wire.header("x-amz-grant-read", everybody)
    }),
    ("x-amz-meta-mine", |wire, _| wire.header("x-amz-meta-mine", "mine")),
    ("a second upload id in the metadata", |wire, _| wire.header("x-amz-meta-partgate-upload-id", "mine")),
    ("x-amz-tagging", |wire, _| wire.header("x-amz-tagging", "mine=1")),
    ("x-amz-server-side-encryption", |wire, _| wire.header("x-amz-server-side-encryption", "AES256")),
    ("x-amz-storage-class", |wire, _| wire.header("x-amz-storage-class", "REDUCED_REDUNDANCY")),
    ("x-amz-website-redirect-location", |wire, _| {
        wire.header("x-amz-website-redirect-location", "https://evil.example/")
    }),
    ("x-amz-object-lock-legal-hold", |wire, _| wire.header("x-amz-object-lock-legal-hold", "ON")),
    ("Content-Type", |wire, _| wire.drop_header("content-type") && wire.header("content-type", "text/html")),
    ("Content-Encoding", |wire, _| wire.header("content-encoding", "gzip")),
    ("Content-Disposition", |wire, _| wire.header("content-disposition", "inline")),
    ("Cache-Control", |wire, _| wire.header("cache-control", "public, max-age=31536000")),
    ("If-None-Match is left out", |wire, world| !world.kind.is_part() && wire.drop_header("if-none-match")),
];

/// The same time of day, a minute's last digit changed.
fn bumped(date: &str) -> String {
    let at = date.len() - 4;
    let digit = if &date[at..=at] == "0" { "1" } else { "0" };
    format!("{}{digit}{}", &date[..at], &date[at + 1..])
}
