//! Extended header records: `length key=value\n`, the value any bytes.

/// The records that matter, later ones winning over earlier ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    /// Adds the records in `data`; nothing when they are malformed.
    pub(crate) fn extend(&mut self, mut data: &[u8]) -> Option<()> {
        while !data.is_empty() {
            let space = data.iter().position(|b| *b == b' ')?;
            let len: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
            let record = data.get(space + 1..len)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|b| *b == b'=')?;
            self.0
                .push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            data = &data[len..];
        }
        Some(())
    }

    /// The last value of `key`; an empty value takes an earlier one back.
    pub(crate) fn get(&self, key: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(k, _)| k == key.as_bytes())?;
        (!found.1.is_empty()).then_some(&found.1)
    }

    /// The value of `key` as a number; seconds lose their fraction, negative ones become 0.
    pub(crate) fn number(&self, key: &str) -> Option<Option<u64>> {
        let text = self.get(key)?;
        let whole = text.split(|b| *b == b'.').next().unwrap_or_default();
        if whole.first() == Some(&b'-') {
            return Some(Some(0));
        }
        Some(std::str::from_utf8(whole).ok().and_then(|t| t.parse().ok()))
    }

    /// All records in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(k, v)| (k.as_slice(), v.as_slice()))
    }

    /// Adds one record.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.0.push((key.to_vec(), value.to_vec()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The records as they stand in a tar. A record's length counts its own digits.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.0 {
            let rest = key.len() + value.len() + 3;
            let mut len = rest + rest.to_string().len();
            if len.to_string().len() > rest.to_string().len() {
                len = rest + len.to_string().len();
            }
            out.extend_from_slice(len.to_string().as_bytes());
            out.push(b' ');
            out.extend_from_slice(key);
            out.push(b'=');
            out.extend_from_slice(value);
            out.push(b'\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_binary_value_with_newlines_is_kept() {
        let mut records = Records::default();
        records.push(b"SCHILY.xattr.security.capability", b"\x01\n=\n\0");
        let mut read = Records::default();
        read.extend(&records.encode()).unwrap();
        assert_eq!(
            read.get("SCHILY.xattr.security.capability"),
            Some(&b"\x01\n=\n\0"[..])
        );
    }

    #[test]
    fn malformed_records_are_refused() {
        for data in [
            &b"x"[..],
            b"5 a=b",
            b"99 a=b\n",
            b"6 abcd\n",
            b"0 a=b\n",
            b"-1 a=b\n",
        ] {
            assert!(Records::default().extend(data).is_none(), "{data:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(pairs in prop::collection::vec(("[a-z.]{1,20}", prop::collection::vec(any::<u8>(), 0..1200)), 0..6)) {
            let mut records = Records::default();
            for (key, value) in &pairs {
                records.push(key.as_bytes(), value);
            }
            let mut read = Records::default();
            prop_assert!(read.extend(&records.encode()).is_some());
            prop_assert_eq!(read.0, records.0);
        }
    }
}
