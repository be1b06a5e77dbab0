//! The keywords of all commands, told apart whatever their case.

macro_rules! keywords {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        /// A word with a meaning of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Keyword {
            $($(#[$doc])* $name,)+
        }

        impl Keyword {
            /// Every keyword.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As people write it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            pub(super) const fn folded(self) -> u64 {
                folded(self.as_str().as_bytes())
            }

            /// The keyword that these bytes are, in whatever case.
            #[inline(always)]
            pub fn of(word: &[u8]) -> Option<Self> {
                mod codes {
                    $(
                        #[allow(non_upper_case_globals)]
                        pub(super) const $name: u64 = super::Keyword::$name.folded();
                    )+
                }
                match folded(word) {
                    $(codes::$name => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

keywords! {
    /// `LIMIT count`: a limit begins.
    Limit = "LIMIT";
    /// A time in seconds.
    Ex = "EX";
    /// A time in ms.
    Px = "PX";
    /// How many tokens can go at once.
    Burst = "BURST";
    /// Never more than count in any window.
    Strict = "STRICT";
    /// The same in calendar windows.
    Align = "ALIGN";
    /// What a call takes of a limit.
    Cost = "COST";
    /// Take what is there.
    Partial = "PARTIAL";
    /// Take all, into debt if need be.
    Force = "FORCE";
    /// Take a turn within this time.
    MaxWait = "MAXWAIT";
    /// Give up the turn that is due in this time.
    Due = "DUE";
    /// Give up the turn of this act.
    At = "AT";
    /// End a hold.
    Off = "OFF";
    /// How many may hold a lock.
    Holders = "HOLDERS";
    /// Wait for a lock.
    Block = "BLOCK";
    /// Forget whom was counted.
    Reset = "RESET";
    /// Refuse nobody: what would have been refused is granted, and counted.
    Shadow = "SHADOW";
}

/// A word of up to eight letters in one number, upper and lower case alike: as fast to tell from
/// others as a number is. Longer words are 0, and so is the empty one; no other two are equal that
/// differ in more than case, if one of them is all letters.
#[inline(always)]
const fn folded(word: &[u8]) -> u64 {
    let (mut folded, mut rest) = (0, word);
    if word.len() > 8 {
        return 0;
    }
    while let [byte, after @ ..] = rest {
        folded = folded << 8 | (*byte | 0x20) as u64; // the bit in which the cases of a letter differ
        rest = after;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_known_in_any_case() {
        for keyword in Keyword::ALL {
            assert_eq!(Keyword::of(keyword.as_str().as_bytes()), Some(*keyword));
            assert_eq!(Keyword::of(keyword.as_str().to_lowercase().as_bytes()), Some(*keyword));
        }
        assert_eq!(Keyword::of(b"LIMITS"), None);
        assert_eq!(Keyword::of(b""), None);
    }

    #[test]
    fn words_differ_unless_only_the_case_of_letters_does() {
        let keywords: [&[u8]; 4] = [b"PX", b"LIMIT", b"PARTIAL", b"KEYWORDS"];
        for keyword in keywords {
            assert_eq!(folded(&keyword.to_ascii_lowercase()), folded(keyword));
            for place in 0..keyword.len() {
                for byte in 0..=u8::MAX {
                    let mut word = keyword.to_vec();
                    word[place] = byte;
                    let same = word.eq_ignore_ascii_case(keyword);
                    assert_eq!(folded(&word) == folded(keyword), same, "{}", word.escape_ascii());
                }
            }
            for longer in [[b"\0", keyword].concat(), [keyword, b"\0"].concat(), [keyword, keyword].concat()]
            {
                assert_ne!(folded(&longer), folded(keyword), "{}", longer.escape_ascii());
            }
        }
    }
}
