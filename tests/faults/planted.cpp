// Faults on purpose: what a sanitizer or valgrind has to report. A stage of
// the tests that does not see these sees nothing. As a program it commits the
// fault it is told; as a library another program calls it.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

extern "C" {

// Reads a byte of memory that was given back.
int heap_use_after_free() {
    auto* volatile memory = static_cast<char*>(std::malloc(64));
    std::memset(memory, 1, 64);
    char* volatile kept = memory;
    std::free(memory);
    return kept[7];
}

// Loses a block of memory.
int leak() {
    auto* volatile memory = static_cast<char*>(std::malloc(4321));
    memory[0] = 1;
    memory = nullptr;
    return 0;
}

// Shifts an int by more bits than it has.
int undefined_shift() {
    volatile int one = 1;
    volatile int bits = 40;
    return one << bits;
}

// Two threads write to one variable, and nothing orders them.
int data_race() {
    static int shared = 0;
    auto write = [] {
        for (int i = 0; i < 1000; ++i) {
            ++shared;
        }
    };
    std::thread other(write);
    write();
    other.join();
    return shared;
}

}  // extern "C"

// planted FAULT [LIBRARY]: commits a fault of its own, or of a library that
// is unloaded before the end, as nginx does with modules. 2: no such fault.
int main(int argc, char** argv) {
    void* code = ::dlopen(argc > 2 ? argv[2] : nullptr, RTLD_NOW);
    if (code == nullptr || argc < 2) {
        return 2;
    }
    auto commit = reinterpret_cast<int (*)()>(::dlsym(code, argv[1]));
    if (commit == nullptr) {
        return 2;
    }
    std::printf("%d\n", commit());
    ::dlclose(code);
    return 0;
}
