// Writes one segmented index: what it shares with the generation before is
// copied, the rest compressed. Private to registry/. Used by one thread.
// @errors of all functions here: those of IndexContext
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/xz_blocks.hpp"
#include "registry/segment_state.hpp"
#include "registry/segments.hpp"

namespace longshore::segments {

/// A text and its compressed forms, each made when it is first asked for.
class PackedText {
public:
    explicit PackedText(std::string text) : text_(std::move(text)) {}

    const std::string& text() const noexcept { return text_; }
    const XzBlock& packed(Encoding form);

private:
    std::string text_;
    std::array<std::optional<XzBlock>, 4> forms_;  // by Encoding
};

/// The text, or a form of it, on its way into a document or a digest alone.
class Column {
public:
    Result<void> open(IndexContext& ctx);
    Result<void> write(std::string_view bytes);
    Result<void> copy(const ByteSource& source, std::uint64_t offset,
                      std::uint64_t size);
    /// The beginning of the document before; nothing was written yet.
    Result<void> resume(const ByteSource* source, std::uint64_t size,
                        const HashState& hash);
    std::uint64_t size() const noexcept;
    HashState hash() const noexcept;
    Digest digest() const noexcept { return hash_.digest(); }
    std::optional<DocumentWriter>& file() noexcept { return file_; }

private:
    std::optional<DocumentWriter> file_;  // none: hashed alone
    Hash hash_{Algorithm::sha256};
    std::uint64_t size_ = 0;
};

class SegmentWriter {
public:
    /// `parts`: what the index is to be, ends and hashes still unknown.
    SegmentWriter(IndexContext& ctx, const SegmentedIndex& index,
                  std::string path, std::vector<PartState> parts,
                  const IndexState* before);

    /// Finds out what stays.
    Result<void> begin();

    /// The part that comes next; null: all are there.
    const PartState* next() const noexcept;
    /// Whether the generation before has it, so that copy_next() does.
    bool knows_next() const;
    Result<void> copy_next();
    Result<void> write_next(PackedText& text);

    Result<BuiltIndex> finish();
    /// After finish().
    IndexState take_state() { return std::move(state_); }

private:
    const PartState* known(const PartState& part) const;
    bool open_before();
    std::size_t shared_parts() const;
    Result<BuiltIndex> keep();
    Result<std::string> text_before(const PartState& part);
    Result<void> add_ends(PartState& part);
    std::string form_path(std::size_t form) const;
    Result<Document> place(std::size_t column);

    IndexContext& ctx_;
    const SegmentedIndex& index_;
    std::string path_;
    const IndexState* before_;  // null: there is none to copy from
    IndexState state_;
    std::uint64_t size_bytes_ = 0;
    std::map<std::pair<std::int64_t, std::string_view>, std::size_t> places_;
    std::vector<std::unique_ptr<ByteSource>> sources_;  // by column; null: none
    std::vector<Column> columns_;
    std::size_t at_ = 0;
    bool unchanged_ = false;
};

}  // namespace longshore::segments
