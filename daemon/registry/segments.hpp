// Index files that are one text per file of the repository, joined: Packages,
// Contents, primary.xml. Publishing one package among 100,000 costs rendering
// and compressing its bucket (512 files, IndexContext::buckets()) and a copy,
// within the kernel, of what lies before it: the hash goes on from a midstate
// that was kept, and what lies behind it is hashed again.
//
//     bucket 0           bucket 1           …
//     amd64 | all        amd64 | all        rows of each stream in a bucket
//     [head] a0 l0 a1 l1 …  [tail]          an index of streams amd64 and all
//
// Each text is compressed alone (gzip member, zstd frame, block of an xz
// stream), so the parts of a compressed index can be copied too. What an index
// is made of is remembered in a document of its own. All of these have paths
// below ".segments/", which no route leads to: put() them where clients look.
// Used by one thread, during one reindex().
// @errors of all functions here: those of IndexContext and of the renderer;
// others where said.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/compress.hpp"
#include "common/result.hpp"
#include "registry/index_context.hpp"

namespace longshore {

/// What one bucket adds to one stream.
struct StreamText {
    std::string text;
    std::uint64_t rows = 0;
};
using BucketTexts = std::map<std::string, StreamText, std::less<>>;

/// Adds the rows of files to the streams that they belong to. The same files
/// give the same texts.
using RenderBucket =
    std::function<Result<void>(const std::vector<PackageFile>&, BucketTexts&)>;

/// Of a stream: rows in all buckets, and bytes.
struct StreamSize {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
};

struct SegmentedIndex {
    std::string name;  // "main/binary-amd64/Packages"; unique
    std::vector<std::string> streams;
    /// A change of the head costs that of a new hash of everything.
    std::string head = {};
    std::string tail = {};
    /// gzip, xz, zstd. bzip2 is not done.
    std::vector<Encoding> forms = {};
    /// The text itself is a document too, if it has at most so many bytes:
    /// a copy of all of it is what makes a large index slow.
    std::uint64_t max_plain_bytes = 0;
    /// Its digest is wanted where it is none.
    bool plain_digest = true;
    /// It may stay as it was, if it was there: a later build() makes up for
    /// that.
    bool may_lag = false;
    /// It changes often: what the generation after this one has in common
    /// with it is copied ahead, at the price of so much room.
    bool often = true;
};

struct BuiltIndex {
    std::string name;
    std::uint64_t rows = 0;
    std::uint64_t size_bytes = 0;   // of the text
    std::optional<Digest> digest;   // of the text, where it was wanted
    std::optional<Document> plain;  // where it is kept
    std::vector<Document> forms;    // as SegmentedIndex::forms
    bool changed = true;
};

class Segments {
public:
    /// Renders the buckets that changed since the generation before. Texts of
    /// another `version` of the renderer do not count. `name` tells these
    /// indexes from others of the scope.
    static Result<Segments> open(IndexContext& ctx, std::string_view name,
                                 std::uint32_t version, RenderBucket render);
    ~Segments();
    Segments(Segments&&) noexcept;

    /// Streams that have rows now.
    const std::map<std::string, StreamSize, std::less<>>& streams() const;

    /// Writes the indexes; once, with all that there are to be.
    Result<std::vector<BuiltIndex>> build(
        const std::vector<SegmentedIndex>& indexes);

    /// How many buckets were rendered so far.
    std::size_t rendered() const noexcept;

private:
    class Impl;
    explicit Segments(std::unique_ptr<Impl> impl);

    std::unique_ptr<Impl> impl_;
};

}  // namespace longshore
