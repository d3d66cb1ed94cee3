//! The disk as a SQLite VFS: the system's unix VFS does the work on the live files, locks and shared memory included,
//! and the model admits and records what matters to durability.
//!
//! Every function here is called by SQLite, by the rules of its VFS interface (<https://sqlite.org/c3ref/vfs.html>):
//! a `sqlite3_vfs` is the one that was registered, a `sqlite3_file` is memory of `szOsFile` bytes which [`open`] has
//! filled in, and pointers to arguments are valid for the call. The safety comments below rest on that.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_filename, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::gate::{Failure, Refusal};
use super::inode::Inode;
use super::model::{Model, Trouble};

/// Files that outlive a connection, and so are modelled; all others are SQLite's scratch paper.
const MODELLED: c_int = ffi::SQLITE_OPEN_MAIN_DB | JOURNALS;

/// Files whose first sync makes their name durable too.
const JOURNALS: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;

/// What the model honours of what the unix VFS promises about the device.
const CHARACTERISTICS: c_int = ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ;

/// A VFS while it can be found by its name.
pub(super) struct Registration {
    vfs: *mut sqlite3_vfs,
    name: String,
}

// SAFETY: the pointer is only handed to SQLite's registry, which has its own lock.
unsafe impl Send for Registration {}
// SAFETY: as above; a shared registration gives out nothing but the name.
unsafe impl Sync for Registration {}

/// What a VFS knows. Never freed, as connections may outlive the disk; so it holds on to the name but not the images.
struct Context {
    model: Weak<Model>,
    real: *mut sqlite3_vfs,
    name: CString,
}

/// What SQLite takes for its file: followed in memory by the file of the real VFS.
#[repr(C)]
struct CrashFile {
    base: sqlite3_file,
    handle: *mut Handle,
}

/// SQLite aligns files to 8 bytes, which the real file behind this one needs as well.
const _: () = assert!(size_of::<CrashFile>().is_multiple_of(8));

/// What an open file knows.
struct Handle {
    model: Arc<Model>,
    /// None for a file that is not modelled.
    inode: Option<Arc<Inode>>,
    /// The key of its directory.
    dir: PathBuf,
    /// Whether the next sync has to sync the directory.
    dir_unsynced: AtomicBool,
}

impl Registration {
    /// Registers a VFS over a model, under a name that no other has.
    pub(super) fn new(model: &Arc<Model>) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("crash-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // SAFETY: the name is a C string; SQLite initialises itself.
        let real = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
        if real.is_null() {
            return Err(io::Error::other("SQLite has no unix VFS"));
        }
        let context =
            Box::leak(Box::new(Context { model: Arc::downgrade(model), real, name: CString::new(name.as_str())? }));
        // SAFETY: what SQLite has registered stays valid and is not written to.
        let (real_file_bytes, path_bytes) = unsafe { ((*real).szOsFile, (*real).mxPathname) };
        let vfs = Box::into_raw(Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<CrashFile>() as c_int + real_file_bytes,
            mxPathname: path_bytes,
            pNext: std::ptr::null_mut(),
            zName: context.name.as_ptr(),
            pAppData: std::ptr::from_mut(context).cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: Some(dl_open),
            xDlError: Some(dl_error),
            xDlSym: Some(dl_sym),
            xDlClose: Some(dl_close),
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(get_last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: the structure is complete and never freed.
        match unsafe { ffi::sqlite3_vfs_register(vfs, 0) } {
            ffi::SQLITE_OK => Ok(Self { vfs, name }),
            code => Err(io::Error::other(format!("SQLite does not register a VFS: error {code}"))),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: registered by `new`, and unregistered only here. A failure leaves a name that cannot be opened.
        unsafe { ffi::sqlite3_vfs_unregister(self.vfs) };
    }
}

// The VFS: files by name.

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands over memory for a file. Without methods it takes a failed file for closed.
    unsafe { (*file).pMethods = std::ptr::null() };
    // SAFETY: SQLite passes the VFS that was registered.
    let context = unsafe { context(vfs) };
    let Some(model) = context.model.upgrade() else { return ffi::SQLITE_CANTOPEN };
    let open_real = || {
        // SAFETY: the arguments are SQLite's own, and the real file has its room behind ours.
        unsafe {
            let real = real_file(file);
            (*real).pMethods = std::ptr::null();
            let open = (*context.real).xOpen.expect("the unix VFS opens files");
            let code = open(context.real, name, real, flags, out_flags);
            if code != ffi::SQLITE_OK && !(*real).pMethods.is_null() {
                close_real(real);
            }
            done(code)
        }
    };
    let opened = if name.is_null() || flags & MODELLED == 0 {
        open_real().map(|()| (None, PathBuf::new())).map_err(Trouble::Live)
    } else {
        // SAFETY: the name is not null, and a C string.
        let Ok(key) = model.file_key(unsafe { path(name) }) else { return ffi::SQLITE_CANTOPEN };
        let dir = key.parent().map(Path::to_owned).unwrap_or_default();
        model.open(&key, flags & ffi::SQLITE_OPEN_CREATE != 0, open_real).map(|(inode, ())| (Some(inode), dir))
    };
    match opened {
        Ok((inode, dir)) => {
            let dir_unsynced = AtomicBool::new(flags & JOURNALS != 0 && flags & ffi::SQLITE_OPEN_CREATE != 0);
            let handle = Box::into_raw(Box::new(Handle { model, inode, dir, dir_unsynced }));
            let base = sqlite3_file { pMethods: &IO_METHODS };
            // SAFETY: `szOsFile` gives room for ours before the real file.
            unsafe { file.cast::<CrashFile>().write(CrashFile { base, handle }) };
            ffi::SQLITE_OK
        }
        Err(trouble) => status(Err(trouble), |_| ffi::SQLITE_CANTOPEN),
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: SQLite passes the VFS that was registered, and a C string.
    let (context, path) = unsafe { (context(vfs), path(name)) };
    let Some(model) = context.model.upgrade() else { return ffi::SQLITE_IOERR_DELETE };
    let Ok(key) = model.file_key(path) else { return ffi::SQLITE_IOERR_DELETE };
    let removed = model.remove(&key, || {
        // SAFETY: the arguments are SQLite's own.
        unsafe {
            let delete = (*context.real).xDelete.expect("the unix VFS removes files");
            done(delete(context.real, name, 0))
        }
    });
    if removed.is_ok() && sync_dir & 1 != 0 {
        let dir = key.parent().unwrap_or(Path::new(""));
        return if model.sync_dir(dir).is_ok() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_DIR_FSYNC };
    }
    status(removed, |_| ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(vfs: *mut sqlite3_vfs, name: *const c_char, flags: c_int, result: *mut c_int) -> c_int {
    // SAFETY: SQLite passes the VFS that was registered.
    let context = unsafe { context(vfs) };
    if !may_read(context.model.upgrade().as_deref()) {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    // SAFETY: the arguments are SQLite's own.
    unsafe {
        let access = (*context.real).xAccess.expect("the unix VFS looks for files");
        access(context.real, name, flags, result)
    }
}

/// Functions of a VFS that have nothing to do with durability.
macro_rules! forward_vfs {
    ($($name:ident => $method:ident($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {$(
        unsafe extern "C" fn $name(vfs: *mut sqlite3_vfs, $($arg: $type),*) $(-> $out)? {
            // SAFETY: SQLite passes the VFS that was registered; the other arguments are its own.
            unsafe {
                let real = context(vfs).real;
                ((*real).$method.expect("the unix VFS has every method of version 2"))(real, $($arg),*)
            }
        }
    )*};
}

forward_vfs! {
    full_pathname => xFullPathname(name: *const c_char, room_bytes: c_int, out: *mut c_char) -> c_int;
    dl_open => xDlOpen(name: *const c_char) -> *mut c_void;
    dl_error => xDlError(room_bytes: c_int, message: *mut c_char);
    dl_sym => xDlSym(library: *mut c_void, symbol: *const c_char) -> Option<Symbol>;
    dl_close => xDlClose(library: *mut c_void);
    randomness => xRandomness(room_bytes: c_int, out: *mut c_char) -> c_int;
    sleep => xSleep(microseconds: c_int) -> c_int;
    current_time => xCurrentTime(out: *mut f64) -> c_int;
    get_last_error => xGetLastError(room_bytes: c_int, message: *mut c_char) -> c_int;
    current_time_int64 => xCurrentTimeInt64(out: *mut sqlite3_int64) -> c_int;
}

/// What a library symbol is to SQLite.
type Symbol = unsafe extern "C" fn(*mut sqlite3_vfs, *mut c_void, *const c_char);

// Open files. Version 2 has no xFetch, so SQLite neither reads nor writes past the model by memory maps.

static IO_METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Calls a method of the real file behind a file.
macro_rules! real {
    ($file:ident, $method:ident($($arg:expr),*)) => {
        // SAFETY: SQLite passes a file that `open` has filled in, with the real file behind it; the other arguments
        // are SQLite's own, or a part of them.
        unsafe {
            let real = real_file($file);
            ((*(*real).pMethods).$method.expect("the unix VFS has every method of version 2"))(real, $($arg),*)
        }
    };
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = real!(file, xClose());
    // SAFETY: SQLite closes a file once, and does not use it again.
    unsafe {
        drop(Box::from_raw((*file.cast::<CrashFile>()).handle));
        (*file).pMethods = std::ptr::null();
    }
    code
}

unsafe extern "C" fn read(file: *mut sqlite3_file, out: *mut c_void, length: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes a file that `open` has filled in.
    let handle = unsafe { handle(file) };
    if !may_read(Some(&handle.model)) {
        return ffi::SQLITE_IOERR_READ;
    }
    real!(file, xRead(out, length, offset))
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    data: *const c_void,
    length: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes a file that `open` has filled in.
    let handle = unsafe { handle(file) };
    let Some(inode) = &handle.inode else { return real!(file, xWrite(data, length, offset)) };
    // SAFETY: SQLite passes that many readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length as usize) };
    let live = |part: &[u8]| done(real!(file, xWrite(part.as_ptr().cast(), part.len() as c_int, offset)));
    status(handle.model.write(inode, offset as u64, bytes, live), |refusal| match refusal {
        Refusal::Injected(Failure::NoSpace) => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_IOERR_WRITE,
    })
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes a file that `open` has filled in.
    let handle = unsafe { handle(file) };
    let Some(inode) = &handle.inode else { return real!(file, xTruncate(length)) };
    let live = || done(real!(file, xTruncate(length)));
    status(handle.model.resize(inode, length as u64, false, live), |_| ffi::SQLITE_IOERR_TRUNCATE)
}

/// Syncs, and as the unix VFS does, the directory of a new journal. The unix VFS hides a failure of that; this one does
/// not, or a commit could be believed whose journal has no name.
unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite passes a file that `open` has filled in.
    let handle = unsafe { handle(file) };
    let Some(inode) = &handle.inode else { return real!(file, xSync(flags)) };
    if handle.model.sync(inode).is_err() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if handle.dir_unsynced.load(Ordering::Relaxed) {
        if handle.model.sync_dir(&handle.dir).is_err() {
            return ffi::SQLITE_IOERR_DIR_FSYNC;
        }
        handle.dir_unsynced.store(false, Ordering::Relaxed);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    match op {
        // With chunks the unix VFS would grow the live file where the model does not see it.
        ffi::SQLITE_FCNTL_CHUNK_SIZE | ffi::SQLITE_FCNTL_SIZE_HINT => ffi::SQLITE_OK,
        _ => real!(file, xFileControl(op, arg)),
    }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    real!(file, xDeviceCharacteristics()) & CHARACTERISTICS
}

/// Methods that have nothing to do with durability.
macro_rules! forward_file {
    ($($name:ident => $method:ident($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {$(
        unsafe extern "C" fn $name(file: *mut sqlite3_file, $($arg: $type),*) $(-> $out)? {
            real!(file, $method($($arg),*))
        }
    )*};
}

forward_file! {
    file_size => xFileSize(out: *mut sqlite3_int64) -> c_int;
    lock => xLock(level: c_int) -> c_int;
    unlock => xUnlock(level: c_int) -> c_int;
    check_reserved_lock => xCheckReservedLock(out: *mut c_int) -> c_int;
    sector_size => xSectorSize() -> c_int;
    shm_map => xShmMap(page: c_int, page_bytes: c_int, extend: c_int, out: *mut *mut c_void) -> c_int;
    shm_lock => xShmLock(offset: c_int, n: c_int, flags: c_int) -> c_int;
    shm_barrier => xShmBarrier();
    shm_unmap => xShmUnmap(remove: c_int) -> c_int;
}

// From SQLite's pointers to ours.

/// # Safety
/// The VFS is one that [`Registration::new`] has registered.
unsafe fn context<'a>(vfs: *mut sqlite3_vfs) -> &'a Context {
    // SAFETY: set by `Registration::new`, never changed nor freed.
    unsafe { &*(*vfs).pAppData.cast::<Context>() }
}

/// # Safety
/// The file is one that [`open`] has filled in and [`close`] has not closed.
unsafe fn handle<'a>(file: *mut sqlite3_file) -> &'a Handle {
    // SAFETY: set by `open`, freed by `close`.
    unsafe { &*(*file.cast::<CrashFile>()).handle }
}

/// # Safety
/// The file has `szOsFile` bytes.
unsafe fn real_file(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: `szOsFile` is the size of ours and of the real file, which follows it.
    unsafe { file.cast::<CrashFile>().add(1).cast() }
}

/// # Safety
/// The real file has methods.
unsafe fn close_real(real: *mut sqlite3_file) {
    // SAFETY: a file with methods can be closed.
    unsafe { ((*(*real).pMethods).xClose.expect("the unix VFS closes files"))(real) };
}

/// # Safety
/// The name is a C string.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: promised by the caller.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

fn may_read(model: Option<&Model>) -> bool {
    model.is_some_and(|model| model.may_read().is_ok())
}

fn done(code: c_int) -> Result<(), c_int> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(code) }
}

fn status(result: Result<(), Trouble<c_int>>, refused: impl FnOnce(Refusal) -> c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(Trouble::Live(code)) => code,
        Err(Trouble::Refused(refusal)) => refused(refusal),
        Err(Trouble::Unreadable(_)) => ffi::SQLITE_CANTOPEN,
    }
}
