"""As much of S3's protocol as the topics need, signed by Signature Version 4 in the header, with nothing but Python."""

import datetime
import hashlib
import hmac
import urllib.parse
import xml.etree.ElementTree

from lib.net import Connection


class S3:
    """A client of one bucket, on one kept connection."""

    def __init__(self, store):
        self._store = store
        self._connection = Connection(store.endpoint)
        self._host = urllib.parse.urlsplit(store.endpoint).netloc

    def call(self, method, key="", query=None, body=b"", headers=None):
        """Status, headers and body; any other status than a success is an error with what it says."""
        path, text = self._path(key), query_text(query or {})
        signed = self._signed(method, path, text, body, {name.lower(): value for name, value in (headers or {}).items()})
        status, received, content = self._connection.send(method, path + (f"?{text}" if text else ""), body, signed)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}?{text}: {status} {content[:500]!r}")
        return status, received, content

    def _signed(self, method, path, query, body, headers):
        now = timestamp()
        digest = hashlib.sha256(body).hexdigest()
        headers = {**headers, "host": self._host, "x-amz-content-sha256": digest, "x-amz-date": now}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        signature = self._signature(now, (method, path, query, lines, names, digest))
        credential = f"{self._store.access_key_id}/{self._scope(now)}"
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
        return headers

    def _scope(self, now):
        return f"{now[:8]}/{self._store.region}/s3/aws4_request"

    def _signature(self, now, canonical_request):
        digest = hashlib.sha256("\n".join(canonical_request).encode()).hexdigest()
        scope = self._scope(now)
        key = f"AWS4{self._store.secret_access_key}".encode()
        for step in scope.split("/"):
            key = hmac.digest(key, step.encode(), "sha256")
        return hmac.new(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode(), "sha256").hexdigest()

    def create_multipart(self, key):
        """The S3 upload id."""
        _, _, content = self.call("POST", key, {"uploads": ""})
        return text_at(content, "UploadId")

    def upload_part(self, key, upload_id, number, body):
        """The part's ETag."""
        query = {"partNumber": number, "uploadId": upload_id}
        _, headers, _ = self.call("PUT", key, query, body)
        return headers["ETag"]

    def list_parts(self, key, upload_id, after=0, limit=1000):
        """One page: how many parts, and after which number the next page begins; None at the end."""
        query = {"uploadId": upload_id, "max-parts": limit, "part-number-marker": after}
        _, _, content = self.call("GET", key, query)
        root = xml.etree.ElementTree.fromstring(content)
        found = {child.tag.rpartition("}")[2]: child.text for child in root}
        count = sum(1 for child in root if child.tag.endswith("}Part"))
        return count, int(found["NextPartNumberMarker"]) if found["IsTruncated"] == "true" else None

    def complete_multipart(self, key, upload_id, etags):
        """`etags` by part number. Answers of 200 may carry an error."""
        parts = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in etags)
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        _, _, content = self.call("POST", key, {"uploadId": upload_id}, body)
        if b"<Error>" in content:
            raise RuntimeError(f"complete: {content[:500]!r}")

    def delete(self, key):
        self.call("DELETE", key)

    def presigned_put(self, key, upload_id, number, expires_seconds=3600):
        """The URL of a part, for clients that only PUT."""
        return self.presigned("PUT", key, {"partNumber": number, "uploadId": upload_id}, expires_seconds)

    def presigned(self, method, key, query=None, expires_seconds=3600):
        """An URL for clients that have no credentials."""
        now = timestamp()
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self._store.access_key_id}/{self._scope(now)}",
            "X-Amz-Date": now, "X-Amz-Expires": expires_seconds, "X-Amz-SignedHeaders": "host", **(query or {}),
        }
        path = self._path(key)
        text = query_text(query)
        signature = self._signature(now, (method, path, text, f"host:{self._host}\n", "host", "UNSIGNED-PAYLOAD"))
        return f"{self._store.endpoint}{path}?{text}&X-Amz-Signature={signature}"

    def _path(self, key):
        return urllib.parse.quote(f"/{self._store.bucket}" + (f"/{key}" if key else ""), safe="/-_.~")


def timestamp():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def query_text(query):
    return "&".join(f"{quote(name)}={quote(str(value))}" for name, value in sorted(query.items()))


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def text_at(content, tag):
    root = xml.etree.ElementTree.fromstring(content)
    return next(element.text for element in root.iter() if element.tag.rpartition("}")[2] == tag)
