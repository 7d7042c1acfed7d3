// Stanzas of fields, "Name: value" with lines that go on, in the dialects of
// the package managers: deb-control(5) and deb822(5), R's DCF, Python's core
// metadata (a mail's header and body) and the "key = value" of .PKGINFO. What
// comes out is UTF-8: a value that is not is taken for ISO-8859-1, as old
// packages have it. A reader is for one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/byte_source.hpp"
#include "common/byte_window.hpp"
#include "common/result.hpp"

namespace longshore {

struct ControlDialect {
    char separator = ':';
    bool comments = false;         // lines that start with '#' say nothing
    bool repeats = false;          // a field may come more than once
    bool continues = true;         // a line with white space before it goes on
    bool body = false;             // what follows the first empty line is text
    bool blank_continues = false;  // a line of white space alone goes on too
};

/// control, .dsc, .changes, Packages, Sources, Release.
inline constexpr ControlDialect kDebianControl = {.comments = true};
/// DESCRIPTION and PACKAGES of R.
inline constexpr ControlDialect kDcf = {.repeats = true};
/// METADATA and PKG-INFO of Python.
inline constexpr ControlDialect kPythonMetadata = {
    .repeats = true, .body = true, .blank_continues = true};
/// .PKGINFO of Arch and Alpine.
inline constexpr ControlDialect kPkgInfo = {
    .separator = '=', .comments = true, .repeats = true, .continues = false};

/// Bytes, unless it says something else.
struct ControlLimits {
    std::size_t fields = 10'000;           // of a stanza
    std::size_t name = 256;                // of a field
    std::size_t stanza = 8 * 1024 * 1024;  // its body included
    std::size_t window = 64 * 1024;        // read at a time
};

/// A value has no white space around it. Lines that it goes on with follow
/// after a line feed each, without what marks them (in Debian's dialect one
/// character, in Python's eight spaces or seven and a bar); where "." stands
/// for an empty line, it still does.
struct ControlField {
    std::string name;
    std::string value;
};

/// Fields in their order; names are found whatever their case.
class Stanza {
public:
    const std::vector<ControlField>& fields() const noexcept { return fields_; }
    const std::string& body() const noexcept { return body_; }

    /// The first of that name; nullopt for none.
    std::optional<std::string_view> find(std::string_view name) const;
    /// The first of that name; empty for none.
    std::string_view get(std::string_view name) const;
    /// All of that name.
    std::vector<std::string_view> all(std::string_view name) const;

    void add(std::string_view name, std::string_view value);
    /// Replaces the first of that name and drops the others; else adds.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name);
    void set_body(std::string body) { body_ = std::move(body); }

private:
    std::vector<ControlField> fields_;
    std::string body_;
};

class StanzaReader {
public:
    /// The source outlives the reader.
    StanzaReader(const ByteSource& source, const ControlDialect& dialect,
                 const ControlLimits& limits = {});

    /// The next stanza that has a field; nullopt at the end.
    /// @errors invalid_argument, too_large, what the source ends with
    Result<std::optional<Stanza>> next();

private:
    Result<std::optional<std::string_view>> line();
    Result<bool> take_line(std::string_view text, Stanza& stanza);
    Result<void> go_on(std::string_view text);
    Result<void> start(std::string_view text, const Stanza& stanza);
    void finish(Stanza& stanza);
    Result<void> take_body(Stanza& stanza);

    ByteWindow window_;
    ControlDialect dialect_;
    ControlLimits limits_;
    ControlField open_;  // the field that may go on; no name: none
    std::size_t bytes_ = 0;
    bool ended_ = false;
};

/// The only stanza of a text.
/// @errors invalid_argument, too_large
Result<Stanza> read_stanza(std::string_view text, const ControlDialect& dialect,
                           const ControlLimits& limits = {});

/// Writes Debian's dialect, with the line feed of the last field but no empty
/// line after it. Empty lines of a value become ".". What would break out of
/// its field is left out: a field with a name that is none, and control
/// characters but the tab.
std::string write_stanza(const Stanza& stanza);

/// A text and who signed it, if anybody.
struct ClearText {
    std::string text;
    std::string signature;  // armored, with both of its lines; empty: none
};

/// Takes the frame of a clear-signed text off (RFC 9580 section 7), and
/// refuses what stands before, beside or after it: nobody signed that. A text
/// without such a frame comes back as it is. Says nothing about whether the
/// signature is good. White space at the ends of lines is not signed, and not
/// returned.
/// @errors invalid_argument
Result<ClearText> strip_clear_signature(std::string_view text);

}  // namespace longshore
