// System calls that fail when a test says so. The definitions are this
// program's own and come before those of libc, so the code under test needs
// no hooks; what is not told to fail goes to the kernel. One thread only.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace longshore::system_calls {

enum class Call {
    pwrite,
    pwritev2,
    fdatasync,
    fsync,
    renameat_data,  // renameat to the name `data`
    flock,
    openat_write,  // openat with the right to write
};

/// From now on the call fails with this errno.
void fail(Call call, int error_number);

/// openat of a file of this name to read it fails with this errno.
void fail_read(std::string name, int error_number);

/// Runs `action` once, before the next such call.
void before(Call call, std::function<void()> action);

/// pwrite writes one byte at a time, and every other call is interrupted.
void write_bytewise_with_interrupts();

/// What was called since reset(), in order: "pwrite /path", "fsync /path".
/// Of a rename the path is the new name.
const std::vector<std::string>& journal();

/// All calls are as usual again.
void reset();

}  // namespace longshore::system_calls
