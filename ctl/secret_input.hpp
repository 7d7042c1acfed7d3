// Passwords and tokens come from a terminal that does not show them, or from
// standard input; never from the command line, which every process can read.
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace longshore {

/// A text that is wiped when it goes, and that never lies inside the object,
/// so that moving it leaves no copy.
class SecretText {
public:
    SecretText();
    ~SecretText();
    SecretText(SecretText&& other) noexcept = default;
    SecretText(const SecretText&) = delete;
    SecretText& operator=(SecretText&&) = delete;
    SecretText& operator=(const SecretText&) = delete;

    std::string_view view() const noexcept { return text_; }
    /// False if there is no more room.
    bool append(std::string_view bytes);
    void drop_line_end() noexcept;

private:
    std::string text_;
};

/// From here on no core file and no debugger of the same user.
void hide_process() noexcept;

/// All of standard input without its last line end.
/// @errors invalid_argument (too long), unavailable
Result<SecretText> read_secret_from_stdin();

/// A new password: asked for twice on the terminal, or `from_stdin`. Checked
/// against the rules of passwords for `name`.
/// @errors invalid_argument (rules, two different ones, no terminal),
///         unavailable
Result<SecretText> read_new_password(const std::string& name, bool from_stdin);

}  // namespace longshore
