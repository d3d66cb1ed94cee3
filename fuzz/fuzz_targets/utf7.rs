//! Modified UTF-7: what decodes strictly encodes to itself, and any text comes back from its encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::utf7;

fuzz_target!(|text: &str| {
    assert_eq!(utf7::decode(&utf7::encode(text)).as_deref(), Ok(text));

    let lenient = utf7::decode_leniently(text);
    match utf7::decode(text) {
        Ok(decoded) => {
            assert_eq!(utf7::encode(&decoded), text);
            assert_eq!((lenient.text, lenient.malformed), (decoded, false));
        }
        Err(_) => assert!(lenient.malformed),
    }
});
