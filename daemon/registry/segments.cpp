#include "registry/segments.hpp"

#include <algorithm>
#include <list>

#include "registry/segment_state.hpp"
#include "registry/segment_writer.hpp"

namespace longshore {

using segments::BucketState;
using segments::PackedText;
using segments::PartState;
using segments::SegmentWriter;

namespace {

constexpr std::uint64_t kMaxState = std::uint64_t{256} << 20;
// Rendered buckets that are in memory.
constexpr std::size_t kCached = 2;
// Indexes that are written in one pass: each has a file or two per form open.
constexpr std::size_t kOpen = 16;

// Enough of a SHA-256 to tell texts apart.
std::string key_of(std::string_view text) {
    auto digest = digest_of(Algorithm::sha256, text);
    return std::string(digest.encoded().substr(0, 32));
}

Result<std::string> read_all(const ByteSource& source) {
    if (source.size() > kMaxState) {
        return std::string();
    }
    std::string out(source.size(), '\0');
    LS_TRY(got, source.read_at(0, out));
    out.resize(got);
    return out;
}

}  // namespace

class Segments::Impl {
public:
    Impl(IndexContext& ctx, std::string_view name, std::uint32_t version,
         RenderBucket render)
        : ctx_(ctx),
          folder_(".segments/" + std::string(name) + "/"),
          render_(std::move(render)) {
        next_.version = version;
    }

    Result<void> open() {
        LS_CHECK(load());
        LS_TRY(buckets, ctx_.buckets());
        buckets_ = std::move(buckets);
        for (const auto& bucket : buckets_) {
            auto& now = next_.buckets[bucket.number];
            auto old = before_.buckets.find(bucket.number);
            if (old != before_.buckets.end() &&
                old->second.revision == bucket.revision) {
                now = old->second;
            } else {
                now.revision = bucket.revision;
                LS_TRY(texts, texts_of(bucket));
                for (const auto& [stream, text] : *texts) {
                    now.streams[stream] = {key_of(text.packed.text()),
                                           text.rows,
                                           text.packed.text().size()};
                }
            }
            for (const auto& [stream, text] : now.streams) {
                auto& sum = streams_[stream];
                sum.rows += text.rows;
                sum.bytes += text.bytes;
            }
        }
        return {};
    }

    Result<std::vector<BuiltIndex>> build(
        const std::vector<SegmentedIndex>& indexes) {
        std::vector<BuiltIndex> built;
        for (std::size_t done = 0; done < indexes.size(); done += kOpen) {
            auto n = std::min(kOpen, indexes.size() - done);
            LS_CHECK(build_some({indexes.data() + done, n}, built));
        }
        LS_CHECK(save());
        return built;
    }

    const std::map<std::string, StreamSize, std::less<>>& streams() const {
        return streams_;
    }
    std::size_t rendered() const noexcept { return rendered_; }

private:
    struct Text {
        PackedText packed;
        std::uint64_t rows = 0;
    };
    using Texts = std::map<std::string, Text, std::less<>>;

    std::string state_path() const { return folder_ + "state"; }

    Result<void> load() {
        auto found = ctx_.previous(state_path());
        if (!found) {
            return {};
        }
        auto source = ctx_.open_previous(*found);
        if (!source) {
            return {};  // all is made anew
        }
        LS_TRY(bytes, read_all(**source));
        auto state = segments::decode(bytes);
        if (state && state->version == next_.version) {
            before_ = std::move(*state);
        }
        return {};
    }

    Result<void> save() {
        LS_TRY(document, ctx_.put(state_path(), segments::encode(next_)));
        static_cast<void>(document);
        return {};
    }

    Result<Texts*> texts_of(const IndexContext::Bucket& bucket) {
        for (auto& [number, texts] : cache_) {
            if (number == bucket.number) {
                return &texts;
            }
        }
        LS_TRY(files, ctx_.files_of(bucket));
        BucketTexts rendered;
        LS_CHECK(render_(files, rendered));
        ++rendered_;
        if (cache_.size() >= kCached) {
            cache_.pop_front();
        }
        auto& texts = cache_.emplace_back(bucket.number, Texts()).second;
        for (auto& [stream, text] : rendered) {
            if (!text.text.empty()) {
                texts.emplace(
                    stream, Text{PackedText(std::move(text.text)), text.rows});
            }
        }
        return &texts;
    }

    std::vector<PartState> parts_of(const SegmentedIndex& index) const {
        std::vector<PartState> parts;
        auto edge = [&](std::int64_t number, const std::string& text) {
            if (!text.empty()) {
                parts.push_back({number, "", key_of(text), text.size()});
            }
        };
        edge(segments::kHead, index.head);
        for (const auto& [number, bucket] : next_.buckets) {
            for (const auto& stream : index.streams) {
                auto found = bucket.streams.find(stream);
                if (found != bucket.streams.end()) {
                    parts.push_back({number, stream, found->second.key,
                                     found->second.bytes});
                }
            }
        }
        edge(segments::kTail, index.tail);
        return parts;
    }

    Result<void> write_part(SegmentWriter& writer, const SegmentedIndex& index,
                            const PartState& part) {
        if (writer.knows_next()) {
            return writer.copy_next();
        }
        if (part.stream.empty()) {
            PackedText text(part.number == segments::kHead ? index.head
                                                           : index.tail);
            return writer.write_next(text);
        }
        auto bucket = std::find_if(
            buckets_.begin(), buckets_.end(),
            [&](const auto& one) { return one.number == part.number; });
        LS_TRY(texts, texts_of(*bucket));
        auto text = texts->find(part.stream);
        if (text == texts->end() ||
            key_of(text->second.packed.text()) != part.key) {
            return Error{Code::internal,
                         "an index was rendered in two different ways"};
        }
        return writer.write_next(text->second.packed);
    }

    // Bucket by bucket, so that each is rendered once for all indexes.
    Result<void> build_some(std::span<const SegmentedIndex> indexes,
                            std::vector<BuiltIndex>& built) {
        std::list<SegmentWriter> writers;
        for (const auto& index : indexes) {
            auto old = before_.indexes.find(index.name);
            writers.emplace_back(
                ctx_, index, folder_ + index.name, parts_of(index),
                old == before_.indexes.end() ? nullptr : &old->second);
            LS_CHECK(writers.back().begin());
        }
        for (;;) {
            const PartState* first = nullptr;
            for (const auto& writer : writers) {
                const auto* next = writer.next();
                if (next != nullptr &&
                    (first == nullptr || next->number < first->number)) {
                    first = next;
                }
            }
            if (first == nullptr) {
                break;
            }
            auto number = first->number;
            auto index = indexes.begin();
            for (auto& writer : writers) {
                while (writer.next() != nullptr &&
                       writer.next()->number == number) {
                    LS_CHECK(write_part(writer, *index, *writer.next()));
                }
                ++index;
            }
        }
        auto index = indexes.begin();
        for (auto& writer : writers) {
            LS_TRY(done, writer.finish());
            for (const auto& stream : index->streams) {
                auto found = streams_.find(stream);
                done.rows += found == streams_.end() ? 0 : found->second.rows;
            }
            next_.indexes[index->name] = writer.take_state();
            built.push_back(std::move(done));
            ++index;
        }
        return {};
    }

    IndexContext& ctx_;
    std::string folder_;
    RenderBucket render_;
    segments::State before_;
    segments::State next_;
    std::vector<IndexContext::Bucket> buckets_;
    std::map<std::string, StreamSize, std::less<>> streams_;
    std::list<std::pair<std::int64_t, Texts>> cache_;
    std::size_t rendered_ = 0;
};

Segments::Segments(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Segments::~Segments() = default;
Segments::Segments(Segments&&) noexcept = default;

Result<Segments> Segments::open(IndexContext& ctx, std::string_view name,
                                std::uint32_t version, RenderBucket render) {
    auto impl = std::make_unique<Impl>(ctx, name, version, std::move(render));
    LS_CHECK(impl->open());
    return Segments(std::move(impl));
}

const std::map<std::string, StreamSize, std::less<>>& Segments::streams()
    const {
    return impl_->streams();
}

Result<std::vector<BuiltIndex>> Segments::build(
    const std::vector<SegmentedIndex>& indexes) {
    return impl_->build(indexes);
}

std::size_t Segments::rendered() const noexcept {
    return impl_->rendered();
}

}  // namespace longshore
