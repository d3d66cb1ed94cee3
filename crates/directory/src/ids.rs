//! Identifiers: one type each, so that none can stand in for another.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Takes a number that the directory gave out before; whether it still names a row is not checked.
            pub fn new_unchecked(number: i64) -> Self {
                $name(number)
            }

            /// The number, as other stores keep it.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// Names a customer.
    CustomerId;
    /// Names an account; never given out again after the account is removed.
    AccountId;
    /// Names an app password; never given out again after it is removed.
    AppPasswordId;
    /// Names a domain admin.
    AdminId;
    /// Names an integration.
    IntegrationId;
    /// Names a staged lineage.
    LineageId;
    /// Numbers a conflict, as people cite it.
    ConflictNumber;
}
