#include "registry/segment_writer.hpp"

#include <algorithm>

namespace longshore::segments {
namespace {

// Hashes are kept of the last parts, where packages are added, and of some
// before them, from which a change in the middle is not far.
constexpr std::size_t kHashedAtEnd = 8;
constexpr std::size_t kHashedEach = 8;

// Shorter ones are copied as fast as they are asked for.
constexpr std::uint64_t kLeastAhead = std::uint64_t{1} << 20;

// xz at its better levels takes long for long texts.
unsigned xz_level(std::size_t bytes) {
    constexpr std::size_t kKiB = 1024;
    return bytes <= 384 * kKiB ? 3 : bytes <= 1024 * kKiB ? 1 : 0;
}

int level(Encoding form, std::size_t bytes) {
    constexpr std::size_t kLong = std::size_t{1} << 20;
    if (form == Encoding::zstd) {
        return bytes <= kLong ? 6 : 3;
    }
    return bytes <= kLong ? 6 : 3;
}

std::string_view suffix(Encoding form) {
    switch (form) {
        case Encoding::bzip2:
            return ".bz2";
        case Encoding::xz:
            return ".xz";
        case Encoding::zstd:
            return ".zst";
        case Encoding::gzip:
            break;
    }
    return ".gz";
}

Result<std::string> read_part(const ByteSource& source, std::uint64_t offset,
                              std::uint64_t size) {
    std::string out(size, '\0');
    LS_TRY(got, source.read_at(offset, out));
    if (got != size) {
        return Error{Code::corrupt, "a document ended before its end"};
    }
    return out;
}

}  // namespace

const XzBlock& PackedText::packed(Encoding form) {
    auto& slot = forms_[static_cast<std::size_t>(form)];
    if (!slot) {
        slot =
            form == Encoding::xz
                ? xz_block(text_, xz_level(text_.size()))
                : XzBlock{compress(form, text_, level(form, text_.size())), {}};
    }
    return *slot;
}

Result<void> Column::open(IndexContext& ctx) {
    LS_TRY(writer, ctx.writer());
    file_.emplace(std::move(writer));
    return {};
}

Result<void> Column::write(std::string_view bytes) {
    if (file_) {
        return file_->write(bytes);
    }
    hash_.update(bytes);
    size_ += bytes.size();
    return {};
}

Result<void> Column::copy(const ByteSource& source, std::uint64_t offset,
                          std::uint64_t size) {
    if (file_) {
        return file_->copy(source, offset, size);
    }
    LS_TRY(bytes, read_part(source, offset, size));
    return write(bytes);
}

Result<void> Column::resume(const ByteSource* source, std::uint64_t size,
                            const HashState& hash) {
    if (file_) {
        return file_->copy_hashed(*source, 0, size, hash);
    }
    hash_ = Hash(hash);
    size_ = size;
    return {};
}

std::uint64_t Column::size() const noexcept {
    return file_ ? file_->size_bytes() : size_;
}

HashState Column::hash() const noexcept {
    return file_ ? file_->state() : hash_.state();
}

SegmentWriter::SegmentWriter(IndexContext& ctx, const SegmentedIndex& index,
                             std::string path, std::vector<PartState> parts,
                             const IndexState* before)
    : ctx_(ctx), index_(index), path_(std::move(path)), before_(before) {
    state_.forms = index.forms;
    state_.parts = std::move(parts);
    for (const auto& part : state_.parts) {
        size_bytes_ += part.bytes;
    }
    state_.plain_kept = size_bytes_ <= index.max_plain_bytes;
    state_.plain_hashed = state_.plain_kept || index.plain_digest;
}

std::string SegmentWriter::form_path(std::size_t form) const {
    return path_ + std::string(suffix(state_.forms[form]));
}

// The documents of the generation before, all of them or none.
bool SegmentWriter::open_before() {
    if (before_ != nullptr && index_.may_lag) {
        state_.plain_kept = before_->plain_kept;
        state_.plain_hashed = before_->plain_hashed;
    }
    if (before_ == nullptr || before_->forms != state_.forms ||
        before_->plain_kept != state_.plain_kept ||
        before_->plain_hashed != state_.plain_hashed) {
        return false;
    }
    sources_.clear();
    for (std::size_t column = 0; column <= state_.forms.size(); ++column) {
        sources_.emplace_back();
        if (column == 0 && !state_.plain_kept) {
            continue;
        }
        auto found = ctx_.previous(column == 0 ? path_ : form_path(column - 1));
        if (!found) {
            return false;
        }
        auto source = ctx_.open_previous(*found);
        auto end =
            before_->parts.empty() ? 0 : before_->parts.back().ends[column];
        if (!source || (*source)->size() != found->size_bytes ||
            found->size_bytes < end) {
            return false;
        }
        sources_.back() = std::move(*source);
    }
    return true;
}

// How many parts at the beginning are as before.
std::size_t SegmentWriter::shared_parts() const {
    const auto& old = before_->parts;
    auto most = std::min(old.size(), state_.parts.size());
    std::size_t shared = 0;
    while (shared < most && old[shared].same(state_.parts[shared])) {
        ++shared;
    }
    return shared;
}

Result<void> SegmentWriter::begin() {
    std::size_t resumed = 0;
    if (open_before()) {
        auto shared = shared_parts();
        unchanged_ = index_.may_lag || (shared == before_->parts.size() &&
                                        shared == state_.parts.size());
        for (std::size_t i = 0; i < before_->parts.size(); ++i) {
            const auto& part = before_->parts[i];
            places_[{part.number, part.stream}] = i;
        }
        resumed = shared;
        while (resumed > 0 && before_->parts[resumed - 1].hashes.empty()) {
            --resumed;
        }
    } else {
        before_ = nullptr;
        sources_.clear();
    }
    if (unchanged_) {
        at_ = state_.parts.size();
        return {};
    }
    columns_.resize(state_.forms.size() + 1);
    for (std::size_t column = 0; column < columns_.size(); ++column) {
        if (column > 0 || state_.plain_kept) {
            LS_CHECK(columns_[column].open(ctx_));
        }
        if (resumed > 0) {
            const auto& last = before_->parts[resumed - 1];
            LS_CHECK(columns_[column].resume(sources_[column].get(),
                                             last.ends[column],
                                             last.hashes[column]));
        } else if (column > 0 && state_.forms[column - 1] == Encoding::xz) {
            LS_CHECK(columns_[column].write(xz_head()));
        }
    }
    for (; at_ < resumed; ++at_) {
        state_.parts[at_] = before_->parts[at_];
    }
    return {};
}

const PartState* SegmentWriter::next() const noexcept {
    return at_ < state_.parts.size() ? &state_.parts[at_] : nullptr;
}

const PartState* SegmentWriter::known(const PartState& part) const {
    auto found = places_.find({part.number, part.stream});
    if (before_ == nullptr || found == places_.end() ||
        !before_->parts[found->second].same(part)) {
        return nullptr;
    }
    return &before_->parts[found->second];
}

bool SegmentWriter::knows_next() const {
    bool readable = !state_.plain_hashed || state_.plain_kept ||
                    std::any_of(state_.forms.begin(), state_.forms.end(),
                                [](auto form) { return form != Encoding::xz; });
    return readable && known(state_.parts[at_]) != nullptr;
}

// The text of a part that is compressed only. xz blocks are no files.
Result<std::string> SegmentWriter::text_before(const PartState& part) {
    std::size_t chosen = 0;
    for (std::size_t form = 0; form < state_.forms.size(); ++form) {
        if (state_.forms[form] != Encoding::xz &&
            (chosen == 0 || state_.forms[form] == Encoding::zstd)) {
            chosen = form + 1;
        }
    }
    auto place = places_[{part.number, part.stream}];
    auto start = place == 0 ? 0 : before_->parts[place - 1].ends[chosen];
    LS_TRY(bytes,
           read_part(*sources_[chosen], start, part.ends[chosen] - start));
    LS_TRY(text, decompress(state_.forms[chosen - 1], bytes, part.bytes));
    if (text.size() != part.bytes) {
        return Error{Code::corrupt, "a part of an index has another length"};
    }
    return text;
}

Result<void> SegmentWriter::add_ends(PartState& part) {
    part.ends.clear();
    part.hashes.clear();
    for (const auto& column : columns_) {
        part.ends.push_back(column.size());
        part.hashes.push_back(column.hash());
    }
    ++at_;
    return {};
}

Result<void> SegmentWriter::copy_next() {
    auto& part = state_.parts[at_];
    const auto& old = *known(part);
    auto place = places_[{part.number, part.stream}];
    for (std::size_t column = 0; column < columns_.size(); ++column) {
        if (column == 0 && !state_.plain_kept) {
            if (state_.plain_hashed) {
                LS_TRY(text, text_before(old));
                LS_CHECK(columns_[0].write(text));
            }
            continue;
        }
        bool xz = column > 0 && state_.forms[column - 1] == Encoding::xz;
        auto start = place > 0 ? before_->parts[place - 1].ends[column]
                     : xz      ? xz_head().size()
                               : 0;
        LS_CHECK(columns_[column].copy(*sources_[column], start,
                                       old.ends[column] - start));
    }
    part.xz_unpadded = old.xz_unpadded;
    return add_ends(part);
}

Result<void> SegmentWriter::write_next(PackedText& text) {
    auto& part = state_.parts[at_];
    if (state_.plain_hashed) {
        LS_CHECK(columns_[0].write(text.text()));
    }
    for (std::size_t form = 0; form < state_.forms.size(); ++form) {
        const auto& packed = text.packed(state_.forms[form]);
        LS_CHECK(columns_[form + 1].write(packed.bytes));
        if (state_.forms[form] == Encoding::xz) {
            part.xz_unpadded = packed.sizes.unpadded;
        }
    }
    return add_ends(part);
}

Result<Document> SegmentWriter::place(std::size_t column) {
    auto path = column == 0 ? path_ : form_path(column - 1);
    auto& out = columns_[column];
    if (column > 0 && state_.forms[column - 1] == Encoding::xz) {
        std::vector<XzSizes> sizes;
        sizes.reserve(state_.parts.size());
        for (const auto& part : state_.parts) {
            sizes.push_back({part.xz_unpadded, part.bytes});
        }
        LS_CHECK(out.write(xz_end(sizes)));
    } else if (column > 0 && out.size() == 0) {
        LS_CHECK(out.write(compress(state_.forms[column - 1], "")));
    }
    return ctx_.put(path, std::move(*out.file()));
}

Result<BuiltIndex> SegmentWriter::keep() {
    BuiltIndex out;
    state_ = *before_;
    out.changed = false;
    size_bytes_ = 0;
    for (const auto& part : state_.parts) {
        size_bytes_ += part.bytes;
    }
    if (state_.plain_kept) {
        out.plain = ctx_.previous(path_);
        ctx_.keep(path_);
    }
    for (std::size_t form = 0; form < state_.forms.size(); ++form) {
        out.forms.push_back(*ctx_.previous(form_path(form)));
        ctx_.keep(form_path(form));
    }
    return out;
}

Result<BuiltIndex> SegmentWriter::finish() {
    BuiltIndex out;
    if (unchanged_) {
        LS_TRY(kept, keep());
        out = std::move(kept);
    } else {
        for (std::size_t i = 0; i < state_.parts.size(); ++i) {
            if (i + kHashedAtEnd < state_.parts.size() &&
                i % kHashedEach != 0) {
                state_.parts[i].hashes.clear();
            }
        }
        if (state_.plain_kept) {
            LS_TRY(plain, place(0));
            state_.digest = plain.digest.text();
            out.plain = std::move(plain);
        } else if (state_.plain_hashed) {
            state_.digest = columns_[0].digest().text();
        }
        for (std::size_t form = 0; form < state_.forms.size(); ++form) {
            LS_TRY(document, place(form + 1));
            if (index_.often && document.size_bytes >= kLeastAhead) {
                ctx_.copy_ahead(document);
            }
            out.forms.push_back(std::move(document));
        }
    }
    out.name = index_.name;
    out.size_bytes = size_bytes_;
    if (Digest digest; Digest::parse(state_.digest, digest)) {
        out.digest = digest;
    }
    sources_.clear();
    columns_.clear();
    return out;
}

}  // namespace longshore::segments
