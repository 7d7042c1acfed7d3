// AuditJob: writes what waits for the audit log twice a second, and removes
// rows that are too old.
#pragma once

#include <cstdint>
#include <memory>

namespace longshore {

class AuditQueue;
class Database;
class Periodic;

class AuditJob {
public:
    /// `days`: how long rows stay; 0: for ever.
    AuditJob(Database& database, AuditQueue& queue, std::int64_t days);
    ~AuditJob();

    /// Writes what waits and ends. Once, after the last answer.
    void stop();

private:
    void flush();
    Database& database_;
    AuditQueue& queue_;
    std::unique_ptr<Periodic> flush_;
    std::unique_ptr<Periodic> prune_;
};

}  // namespace longshore
