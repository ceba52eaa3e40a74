//! Linux capabilities of a file, as `setcap` takes them (`capabilities(7)`, `cap_from_text(3)`).

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// By number, as `linux/capability.h` counts them.
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// `VFS_CAP_REVISION_2` and `VFS_CAP_FLAGS_EFFECTIVE` of `linux/capability.h`.
const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Why words are no capabilities.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapabilityError {
    /// Not of the form.
    #[error("`{0}` is no capability; write it as setcap does, such as `cap_net_bind_service=ep`")]
    Form(String),
    /// A name that Linux does not have.
    #[error("there is no capability `{0}`; capabilities(7) lists them")]
    Name(String),
    /// A flag without effect.
    #[error("`{0}` has the flag `e` without `p` or `i`, which gives a program nothing")]
    EffectiveAlone(String),
    /// A file has one effective flag, not one a capability.
    #[error("`{0}` and the other capabilities must all have the flag `e`, or none of them")]
    Mixed(String),
}

/// The capabilities that a file gives to the process that runs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    clauses: Vec<String>,
    permitted: u64,
    inheritable: u64,
    effective: bool,
}

struct Clause {
    set: u64,
    effective: bool,
    permitted: bool,
    inheritable: bool,
}

impl Capabilities {
    /// Reads clauses such as `cap_net_raw,cap_net_admin=ep`.
    pub fn new(clauses: Vec<String>) -> Result<Self, CapabilityError> {
        let mut all = Self::default();
        for (at, text) in clauses.iter().enumerate() {
            let clause: Clause = text.parse()?;
            if at > 0 && clause.effective != all.effective {
                return Err(CapabilityError::Mixed(shown(text)));
            }
            all.effective = clause.effective;
            all.permitted |= if clause.permitted { clause.set } else { 0 };
            all.inheritable |= if clause.inheritable { clause.set } else { 0 };
        }
        Ok(Self { clauses, ..all })
    }

    /// Whether the file is an ordinary one.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// The value of the extended attribute `security.capability`: revision 2, which no user
    /// namespace is written into.
    pub fn to_xattr(&self) -> Vec<u8> {
        let magic = REVISION_2 | if self.effective { EFFECTIVE } else { 0 };
        let mut bytes = magic.to_le_bytes().to_vec();
        // All lower halves first, then the upper ones.
        for shift in [0, 32] {
            for set in [self.permitted, self.inheritable] {
                bytes.extend((set >> shift).to_le_bytes().iter().take(4));
            }
        }
        bytes
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

impl FromStr for Clause {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let form = || CapabilityError::Form(shown(text));
        let at = text.find(['=', '+']).ok_or_else(form)?;
        let (names, flags) = text.split_at(at);
        let flags = flags.trim_start_matches('=').trim_start_matches('+');
        let has = |flag: char| flags.contains(flag);
        if flags.is_empty() || !flags.chars().all(|flag| "eip".contains(flag)) {
            return Err(form());
        }
        if !has('p') && !has('i') {
            return Err(CapabilityError::EffectiveAlone(shown(text)));
        }
        let mut set = 0;
        for name in names.split(',') {
            let known = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
            set |= 1 << known.ok_or_else(|| CapabilityError::Name(shown(name)))?;
        }
        Ok(Self { set, effective: has('e'), permitted: has('p'), inheritable: has('i') })
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.clauses.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(d)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(clauses: &[&str]) -> Result<Capabilities, CapabilityError> {
        Capabilities::new(clauses.iter().map(|&clause| clause.to_owned()).collect())
    }

    #[test]
    fn the_attribute_has_the_bytes_that_setcap_writes() {
        // `setcap cap_net_bind_service=+ep FILE; getfattr -e hex -n security.capability FILE`
        let bytes = [&[1, 0, 0, 2, 0, 4][..], &[0; 14]].concat();
        for clause in ["cap_net_bind_service=+ep", "CAP_NET_BIND_SERVICE=pe"] {
            assert_eq!(parse(&[clause]).unwrap().to_xattr(), bytes);
        }
        let two = parse(&["cap_chown,cap_bpf=i", "cap_kill+p"]).unwrap();
        let words = [0x0200_0000_u32, 1 << 5, 1, 0, 1 << 7];
        assert_eq!(two.to_xattr(), words.map(u32::to_le_bytes).concat());
    }

    #[test]
    fn what_no_file_can_carry_is_refused() {
        for (clauses, says) in [
            (&["cap_net_raw"][..], "write it as setcap does"),
            (&["cap_net_raw=x"], "write it as setcap does"),
            (&["cap_net_raw="], "write it as setcap does"),
            (&["cap_fly=ep"], "no capability `cap_fly`"),
            (&["=ep"], "no capability ``"),
            (&["cap_net_raw=e"], "without `p` or `i`"),
            (&["cap_net_raw=ep", "cap_kill=p"], "or none of them"),
        ] {
            let error = parse(clauses).unwrap_err().to_string();
            assert!(error.contains(says), "{clauses:?} gave: {error}");
        }
    }
}
