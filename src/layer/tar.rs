//! The tar of a layer: entries in order, every header the same on every machine.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tar::{EntryType, Header};

use super::LayerError;
use crate::file::{self, Context};
use crate::rootfs::{Kind, Rootfs};
use crate::store_path::PathInfo;

struct Tar<'a> {
    to: &'a mut dyn Write,
    mtime: u64,
}

struct Meta {
    mode: u32,
    uid: u32,
    gid: u32,
}

const STORE_DIR: Meta = Meta { mode: 0o755, uid: 0, gid: 0 };

pub(super) fn store_paths(
    infos: &[PathInfo],
    mtime: u64,
    to: &mut dyn Write,
) -> Result<(), LayerError> {
    let mut tar = Tar { to, mtime };
    if let Some(first) = infos.first() {
        let dir = first.path.store_dir().trim_start_matches('/');
        for (at, _) in dir.match_indices('/') {
            tar.directory(dir.get(..at).unwrap_or_default().as_bytes(), &STORE_DIR)?;
        }
        tar.directory(dir.as_bytes(), &STORE_DIR)?;
    }
    for info in infos {
        tar.tree(Path::new(info.path.as_str()))?;
    }
    tar.finish()
}

pub(super) fn rootfs(rootfs: &Rootfs, mtime: u64, to: &mut dyn Write) -> Result<(), LayerError> {
    let mut tar = Tar { to, mtime };
    for (path, node) in &rootfs.entries {
        let meta = Meta { mode: node.mode, uid: node.uid, gid: node.gid };
        match &node.kind {
            Kind::Directory => tar.directory(path, &meta)?,
            Kind::Bytes(bytes) => {
                tar.file(path, &meta, bytes.len() as u64, &mut &bytes[..], Path::new(""))?;
            }
            Kind::Copy(from) => tar.copy(path, &meta, from)?,
            Kind::Symlink(target) => tar.symlink(path, &meta, target)?,
        }
    }
    tar.finish()
}

impl Tar<'_> {
    fn tree(&mut self, path: &Path) -> Result<(), LayerError> {
        let meta = fs::symlink_metadata(path).context("read", path)?;
        let name = path.as_os_str().as_bytes().get(1..).unwrap_or_default().to_vec();
        let executable = meta.permissions().mode() & 0o111 != 0;
        let mode = if meta.is_dir() || executable { 0o555 } else { 0o444 };
        let entry = Meta { mode, uid: 0, gid: 0 };
        if meta.is_symlink() {
            let target = fs::read_link(path).context("read the link", path)?;
            return self.symlink(
                &name,
                &Meta { mode: 0o777, ..entry },
                target.as_os_str().as_bytes(),
            );
        }
        if meta.is_file() {
            return self.copy(&name, &entry, path);
        }
        if !meta.is_dir() {
            return Err(LayerError::Content {
                path: path.into(),
                why: "is no file, directory or link",
            });
        }
        self.directory(&name, &entry)?;
        let mut children = Vec::new();
        for child in fs::read_dir(path).context("list", path)? {
            children.push(child.context("list", path)?.file_name());
        }
        children.sort();
        children.iter().try_for_each(|child: &std::ffi::OsString| self.tree(&path.join(child)))
    }

    fn directory(&mut self, name: &[u8], meta: &Meta) -> Result<(), LayerError> {
        let mut name = name.to_vec();
        name.push(b'/');
        self.header(&name, meta, EntryType::Directory, 0, &[])
    }

    fn symlink(&mut self, name: &[u8], meta: &Meta, target: &[u8]) -> Result<(), LayerError> {
        self.header(name, meta, EntryType::Symlink, 0, target)
    }

    fn copy(&mut self, name: &[u8], meta: &Meta, from: &Path) -> Result<(), LayerError> {
        let mut source = file::open(from)?;
        let size = source.metadata().context("read", from)?.len();
        self.file(name, meta, size, &mut source, from)
    }

    fn file(
        &mut self,
        name: &[u8],
        meta: &Meta,
        size: u64,
        from: &mut dyn Read,
        path: &Path,
    ) -> Result<(), LayerError> {
        self.header(name, meta, EntryType::Regular, size, &[])?;
        let copied = io::copy(&mut from.take(size), self.to).map_err(LayerError::Write)?;
        if copied != size {
            return Err(LayerError::Content {
                path: path.into(),
                why: "changed while it was read",
            });
        }
        self.pad(size)
    }

    fn header(
        &mut self,
        name: &[u8],
        meta: &Meta,
        kind: EntryType,
        size: u64,
        link: &[u8],
    ) -> Result<(), LayerError> {
        let mut header = Header::new_ustar();
        let mut long = Vec::new();
        if header.set_path(OsStr::from_bytes(name)).is_err() {
            long.push(("path", name));
            cut(&mut header, name)?;
        }
        if kind == EntryType::Symlink
            && (link.len() > 100 || header.set_link_name_literal(link).is_err())
        {
            long.push(("linkpath", link));
        }
        self.pax(&long)?;
        header.set_entry_type(kind);
        header.set_mode(meta.mode);
        header.set_uid(meta.uid.into());
        header.set_gid(meta.gid.into());
        header.set_mtime(self.mtime);
        header.set_size(size);
        header.set_cksum();
        self.to.write_all(header.as_bytes()).map_err(LayerError::Write)
    }

    fn pax(&mut self, records: &[(&str, &[u8])]) -> Result<(), LayerError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + rest.to_string().len();
            if length.to_string().len() + rest != length {
                length += 1;
            }
            bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        let mut header = Header::new_ustar();
        header.set_path("././@PaxHeader").map_err(LayerError::Write)?;
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.mtime);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.to.write_all(header.as_bytes()).map_err(LayerError::Write)?;
        self.to.write_all(&bytes).map_err(LayerError::Write)?;
        self.pad(bytes.len() as u64)
    }

    fn pad(&mut self, size: u64) -> Result<(), LayerError> {
        let rest = (512 - size % 512) % 512;
        io::copy(&mut io::repeat(0).take(rest), self.to).map(drop).map_err(LayerError::Write)
    }

    fn finish(self) -> Result<(), LayerError> {
        self.to.write_all(&[0; 1024]).map_err(LayerError::Write)
    }
}

fn cut(header: &mut Header, name: &[u8]) -> Result<(), LayerError> {
    let short = name.get(..100).unwrap_or(name);
    header.set_path(OsStr::from_bytes(short)).map_err(LayerError::Write)
}
