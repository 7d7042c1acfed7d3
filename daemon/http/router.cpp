#include "http/router.hpp"

#include <algorithm>

namespace longshore {
namespace {

enum class Part : std::uint8_t { literal, one, many, any };

struct Piece {
    Part part = Part::literal;
    std::string_view text;  // literal, or name
};

Piece piece_of(std::string_view text) noexcept {
    if (text.size() < 3 || text.front() != '{' || text.back() != '}') {
        return {Part::literal, text};
    }
    text = text.substr(1, text.size() - 2);
    if (text.back() == '+') {
        return {Part::many, text.substr(0, text.size() - 1)};
    }
    if (text.back() == '*') {
        return {Part::any, text.substr(0, text.size() - 1)};
    }
    return {Part::one, text};
}

std::vector<Piece> split(std::string_view pattern) {
    std::vector<Piece> pieces;
    while (!pattern.empty()) {
        pattern.remove_prefix(1);  // the slash
        auto end = std::min(pattern.find('/'), pattern.size());
        if (end > 0) {
            pieces.push_back(piece_of(pattern.substr(0, end)));
        }
        pattern.remove_prefix(end);
    }
    return pieces;
}

std::string join(const std::vector<std::string>& segments, std::size_t first,
                 std::size_t last) {
    std::string text;
    for (auto i = first; i < last; ++i) {
        text += i > first ? "/" : "";
        text += segments[i];
    }
    return text;
}

// Patterns have at most two parts of several segments, so this ends soon.
bool match(const std::vector<Piece>& pieces, std::size_t piece,
           const std::vector<std::string>& segments, std::size_t segment,
           Parameters& out) {
    if (piece == pieces.size()) {
        return segment == segments.size();
    }
    const auto& now = pieces[piece];
    if (now.part == Part::literal || now.part == Part::one) {
        if (segment == segments.size() ||
            (now.part == Part::literal && segments[segment] != now.text)) {
            return false;
        }
        if (now.part == Part::one) {
            out.emplace_back(now.text, segments[segment]);
        }
        if (match(pieces, piece + 1, segments, segment + 1, out)) {
            return true;
        }
    } else {
        // The longest first: what follows a name that holds slashes is read
        // from the right.
        auto least = segment + (now.part == Part::many ? 1 : 0);
        for (auto end = segments.size(); end + 1 > least; --end) {
            out.emplace_back(now.text, join(segments, segment, end));
            if (match(pieces, piece + 1, segments, end, out)) {
                return true;
            }
            out.pop_back();
            if (end == 0) {
                break;
            }
        }
        return false;
    }
    if (now.part == Part::one) {
        out.pop_back();
    }
    return false;
}

}  // namespace

std::optional<Parameters> match_pattern(std::string_view pattern,
                                        const PackageSegments& path) {
    auto pieces = split(pattern);
    bool open = !pieces.empty() && pieces.back().part == Part::any;
    bool slash = pattern.size() > 1 && pattern.ends_with('/');
    // "/" is the repository itself, with a slash behind its name or without.
    if (!open && !pieces.empty() && slash != path.ends_in_slash) {
        return std::nullopt;
    }
    Parameters parameters;
    if (!match(pieces, 0, path.segments, 0, parameters)) {
        return std::nullopt;
    }
    return parameters;
}

bool is_pattern(std::string_view pattern) noexcept {
    if (!pattern.starts_with('/') || pattern.find("//") != pattern.npos) {
        return false;
    }
    int several = 0;
    for (std::size_t at = 0; at < pattern.size();) {
        auto end = std::min(pattern.find('/', at + 1), pattern.size());
        auto piece = piece_of(pattern.substr(at + 1, end - at - 1));
        bool braces = piece.text.find_first_of("{}") != std::string_view::npos;
        several += piece.part == Part::many || piece.part == Part::any ? 1 : 0;
        if (braces || (piece.part != Part::literal && piece.text.empty())) {
            return false;
        }
        if (piece.part == Part::any && end != pattern.size()) {
            return false;
        }
        at = end;
    }
    return several <= 2;
}

}  // namespace longshore
