//! What an answer says beside what the SDK makes of it: who answered, and elements that the SDK passes over.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use super::Product;

/// Listens to the answer of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Hearing(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    server: String,
    elements: BTreeSet<String>,
}

impl Hearing {
    pub(super) fn product(&self) -> Product {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match heard.server.split([' ', '/']).next() {
            Some("MinIO") => Product::MinIo,
            Some("SeaweedFS") => Product::SeaweedFs,
            _ => Product::Other,
        }
    }

    /// The elements of the answer that are not `known`.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.elements.iter().filter(|name| !known.contains(&name.as_str())).cloned().collect()
    }
}

impl Intercept for Hearing {
    fn name(&self) -> &'static str {
        "Hearing"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.server = response.headers().get("server").unwrap_or_default().to_owned();
        heard.elements = response.body().bytes().map(elements).unwrap_or_default();
        Ok(())
    }
}

/// The names of all elements of a document, without their namespaces. In XML a `<` begins nothing but markup.
fn elements(document: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(document);
    let tags = text.split('<').skip(1).filter(|tag| tag.starts_with(|first: char| first.is_alphabetic()));
    tags.map(|tag| {
        let name = tag.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next().unwrap_or_default();
        name.rsplit(':').next().unwrap_or_default().to_owned()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn elements_are_named_once_and_without_namespaces() {
        let document =
            b"<?xml version=\"1.0\"?><!-- <No --><L xmlns=\"http://s3\"><Rule ><x:ID>a &lt; b</x:ID>\
                         <Filter/></Rule><Rule></Rule></L>";
        let found: Vec<_> = elements(document).into_iter().collect();
        assert_eq!(
            found,
            ["Filter", "ID", "L", "No", "Rule"],
            "what is commented out is told rather than missed"
        );
        assert!(elements(b"").is_empty());
    }
}
