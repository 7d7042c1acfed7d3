#include "ctl/secret_input.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>

#include <openssl/crypto.h>

#include "auth/password.hpp"

namespace longshore {
namespace {

// One more than is allowed, and a line end: longer ones are seen to be so.
constexpr std::size_t kRoom = kMaxPassword + 3;

constexpr std::array kEnding = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

std::atomic<int> caught_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);
// Becomes readable with it: any thread may get the signal, and that before
// the one that reads the terminal waits.
int signal_event = -1;

// While it lives the terminal shows nothing that is typed; a signal that
// would end the program is kept until the terminal is as it was.
class QuietTerminal {
public:
    QuietTerminal() {
        caught_signal = 0;
        signal_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct sigaction action {};
        action.sa_handler = [](int number) {
            int before = errno;
            std::uint64_t one = 1;
            caught_signal = number;
            (void)!::write(signal_event, &one, sizeof one);
            errno = before;
        };
        for (std::size_t i = 0; i < kEnding.size(); ++i) {
            ::sigaction(kEnding[i], &action, &before_[i]);
        }
        action.sa_handler = SIG_IGN;
        ::sigaction(SIGTSTP, &action, &before_stop_);
        quiet_ = signal_event >= 0 && ::tcgetattr(STDIN_FILENO, &shown_) == 0;
        if (quiet_) {
            auto hidden = shown_;
            hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
            hidden.c_lflag |= ECHONL | ICANON;
            quiet_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
        }
    }
    ~QuietTerminal() {
        if (quiet_) {
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown_);
        }
        ::sigaction(SIGTSTP, &before_stop_, nullptr);
        for (std::size_t i = 0; i < kEnding.size(); ++i) {
            ::sigaction(kEnding[i], &before_[i], nullptr);
        }
        ::close(signal_event);
        if (caught_signal != 0) {
            std::fputc('\n', stderr);
            ::raise(caught_signal);
        }
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;
    QuietTerminal(QuietTerminal&&) = delete;
    QuietTerminal& operator=(QuietTerminal&&) = delete;

    bool quiet() const noexcept { return quiet_; }

private:
    termios shown_{};
    std::array<struct sigaction, kEnding.size()> before_{};
    struct sigaction before_stop_ {};
    bool quiet_ = false;
};

Error bad(std::string message) {
    return {Code::invalid_argument, std::move(message)};
}

// Until there is input or a signal that ends the program.
bool wait_for_input() noexcept {
    std::array<pollfd, 2> fds = {pollfd{STDIN_FILENO, POLLIN, 0},
                                 pollfd{signal_event, POLLIN, 0}};
    while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
    }
    return caught_signal == 0;
}

// Until the end of standard input, or of a line of a terminal.
Result<SecretText> read_input(bool one_line) {
    SecretText secret;
    char c = 0;
    for (;;) {
        if (one_line && !wait_for_input()) {
            return errno_error("read the password", EINTR);
        }
        auto got = ::read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR && caught_signal == 0) {
            continue;
        }
        if (got < 0) {
            return errno_error("read the password", errno);
        }
        if (got == 0) {
            break;
        }
        if (!secret.append({&c, 1})) {
            return bad("what was given is longer than a password can be");
        }
        if (one_line && c == '\n') {
            break;
        }
    }
    c = 0;
    secret.drop_line_end();
    return secret;
}

Result<SecretText> ask(const std::string& prompt) {
    QuietTerminal terminal;
    if (!terminal.quiet()) {
        return Error{Code::unavailable, "the terminal cannot be made quiet"};
    }
    std::fprintf(stderr, "%s: ", prompt.c_str());
    return read_input(true);
}

}  // namespace

SecretText::SecretText() {
    text_.reserve(kRoom);
}

SecretText::~SecretText() {
    OPENSSL_cleanse(text_.data(), text_.size());
}

bool SecretText::append(std::string_view bytes) {
    if (text_.size() + bytes.size() > kRoom) {
        return false;
    }
    text_ += bytes;
    return true;
}

void SecretText::drop_line_end() noexcept {
    if (text_.ends_with('\n')) {
        text_.pop_back();
        if (text_.ends_with('\r')) {
            text_.pop_back();
        }
    }
}

void hide_process() noexcept {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

Result<SecretText> read_secret_from_stdin() {
    hide_process();
    caught_signal = 0;
    return read_input(false);
}

Result<SecretText> read_new_password(const std::string& name, bool from_stdin) {
    hide_process();
    if (from_stdin) {
        LS_TRY(secret, read_secret_from_stdin());
        LS_CHECK(check_password_rules(name, secret.view()));
        return secret;
    }
    if (::isatty(STDIN_FILENO) == 0) {
        return bad(
            "standard input is no terminal to ask for a password; give it "
            "there with --password-stdin");
    }
    LS_TRY(secret, ask("Password of " + name));
    LS_CHECK(check_password_rules(name, secret.view()));
    LS_TRY(again, ask("The same again"));
    if (again.view() != secret.view()) {
        return bad("the two passwords are not the same");
    }
    return secret;
}

}  // namespace longshore
