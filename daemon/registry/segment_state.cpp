#include "registry/segment_state.hpp"

#include <cstring>

#include "common/bytes.hpp"

namespace longshore::segments {
namespace {

constexpr std::string_view kMagic = "LSSG1";
constexpr std::size_t kCheckSize = 64;  // hex characters of a SHA-256
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 60;

std::string check_of(std::string_view body) {
    auto digest = digest_of(Algorithm::sha256, body);
    return std::string(digest.encoded());
}

void put_hash(ByteWriter& out, const HashState& hash) {
    out.u64(hash.bytes);
    for (auto word : hash.chain) {
        out.u32(static_cast<std::uint32_t>(word));
    }
    out.raw({reinterpret_cast<const char*>(hash.tail.data()),
             static_cast<std::size_t>(hash.bytes % 64)});
}

HashState get_hash(ByteReader& in) {
    HashState hash;
    hash.bytes = in.u64();
    if (hash.bytes > kMaxBytes) {
        in.fail();
    }
    for (auto& word : hash.chain) {
        word = in.u32();
    }
    auto tail = in.raw(static_cast<std::size_t>(hash.bytes % 64));
    std::memcpy(hash.tail.data(), tail.data(), tail.size());
    return hash;
}

// Names of streams are written once.
class Names {
public:
    std::uint32_t of(const std::string& name) {
        auto [place, fresh] =
            numbers_.emplace(name, static_cast<std::uint32_t>(list_.size()));
        if (fresh) {
            list_.push_back(name);
        }
        return place->second;
    }
    const std::vector<std::string>& list() const { return list_; }

private:
    std::map<std::string, std::uint32_t, std::less<>> numbers_;
    std::vector<std::string> list_;
};

void put_part(ByteWriter& out, const PartState& part, Names& names) {
    out.u64(static_cast<std::uint64_t>(part.number));
    out.u32(names.of(part.stream));
    out.text(part.key);
    out.u64(part.bytes);
    for (auto end : part.ends) {
        out.u64(end);
    }
    out.u64(part.xz_unpadded);
    out.u8(part.hashes.empty() ? 0 : 1);
    for (const auto& hash : part.hashes) {
        put_hash(out, hash);
    }
}

// A count of things that take at least `least` bytes each.
std::size_t count(ByteReader& in, std::size_t least) {
    std::size_t n = in.u32();
    if (n > in.left() / least) {
        in.fail();
        return 0;
    }
    return n;
}

class Decoding {
public:
    Decoding(ByteReader& in, std::vector<std::string> names)
        : in_(in), names_(std::move(names)) {}

    std::string name() {
        auto number = in_.u32();
        if (number >= names_.size()) {
            in_.fail();
            return {};
        }
        return names_[number];
    }

    BucketState bucket() {
        BucketState out;
        out.revision = static_cast<std::int64_t>(in_.u64());
        for (auto left = count(in_, 24); left > 0; --left) {
            auto stream = name();
            auto& text = out.streams[stream];
            text.key = in_.text();
            text.rows = in_.u64();
            text.bytes = in_.u64();
        }
        return out;
    }

    PartState part(std::size_t columns) {
        PartState out;
        out.number = static_cast<std::int64_t>(in_.u64());
        out.stream = name();
        out.key = in_.text();
        out.bytes = in_.u64();
        for (std::size_t i = 0; i < columns; ++i) {
            out.ends.push_back(in_.u64());
        }
        out.xz_unpadded = in_.u64();
        if (in_.u8() != 0) {
            for (std::size_t i = 0; i < columns; ++i) {
                out.hashes.push_back(get_hash(in_));
            }
        }
        return out;
    }

    IndexState index() {
        IndexState out;
        out.plain_kept = in_.u8() != 0;
        out.plain_hashed = in_.u8() != 0;
        out.digest = in_.text();
        for (auto left = count(in_, 1); left > 0; --left) {
            out.forms.push_back(static_cast<Encoding>(in_.u8()));
        }
        for (auto left = count(in_, 32); left > 0; --left) {
            out.parts.push_back(part(out.forms.size() + 1));
        }
        return out;
    }

private:
    ByteReader& in_;
    std::vector<std::string> names_;
};

}  // namespace

std::string encode(const State& state) {
    Names names;
    ByteWriter out;
    out.u32(static_cast<std::uint32_t>(state.buckets.size()));
    for (const auto& [number, bucket] : state.buckets) {
        out.u64(static_cast<std::uint64_t>(number));
        out.u64(static_cast<std::uint64_t>(bucket.revision));
        out.u32(static_cast<std::uint32_t>(bucket.streams.size()));
        for (const auto& [stream, text] : bucket.streams) {
            out.u32(names.of(stream));
            out.text(text.key);
            out.u64(text.rows);
            out.u64(text.bytes);
        }
    }
    out.u32(static_cast<std::uint32_t>(state.indexes.size()));
    for (const auto& [name, index] : state.indexes) {
        out.text(name);
        out.u8(index.plain_kept ? 1 : 0);
        out.u8(index.plain_hashed ? 1 : 0);
        out.text(index.digest);
        out.u32(static_cast<std::uint32_t>(index.forms.size()));
        for (auto form : index.forms) {
            out.u8(static_cast<std::uint8_t>(form));
        }
        out.u32(static_cast<std::uint32_t>(index.parts.size()));
        for (const auto& part : index.parts) {
            put_part(out, part, names);
        }
    }
    ByteWriter all;
    all.raw(kMagic);
    all.u32(state.version);
    all.u32(static_cast<std::uint32_t>(names.list().size()));
    for (const auto& name : names.list()) {
        all.text(name);
    }
    all.raw(out.str());
    all.raw(check_of(all.str()));
    return all.take();
}

std::optional<State> decode(std::string_view bytes) {
    if (bytes.size() < kMagic.size() + kCheckSize) {
        return std::nullopt;
    }
    auto body = bytes.substr(0, bytes.size() - kCheckSize);
    if (check_of(body) != bytes.substr(body.size()) ||
        !body.starts_with(kMagic)) {
        return std::nullopt;
    }
    ByteReader in(body.substr(kMagic.size()));
    State out;
    out.version = in.u32();
    std::vector<std::string> names;
    for (auto left = count(in, 4); left > 0; --left) {
        names.emplace_back(in.text());
    }
    Decoding decoding(in, std::move(names));
    for (auto left = count(in, 20); left > 0; --left) {
        auto number = static_cast<std::int64_t>(in.u64());
        out.buckets[number] = decoding.bucket();
    }
    for (auto left = count(in, 18); left > 0; --left) {
        std::string name(in.text());
        out.indexes[name] = decoding.index();
    }
    return in.failed() ? std::nullopt : std::optional<State>(std::move(out));
}

}  // namespace longshore::segments
