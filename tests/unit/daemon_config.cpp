// The table of settings, its file and its page.
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "config.hpp"

namespace longshore {
namespace {

class ConfigFile : public ::testing::Test {
protected:
    ConfigFile() {
        int fd = ::mkstemp(path_.data());
        ::close(fd);
    }
    ~ConfigFile() override { ::unlink(path_.c_str()); }

    Result<Config> read(std::string_view text) {
        std::ofstream(path_) << text;
        return read_config(path_);
    }

    std::string problem(std::string_view text) {
        auto config = read(text);
        if (config) {
            return "accepted";
        }
        auto message = config.error().message;
        return message.substr(
            std::min(message.find(path_) + path_.size(), message.size()));
    }

    std::string path_ = "/tmp/registryd_conf_XXXXXX";
};

TEST_F(ConfigFile, OverridesDefaults) {
    auto config = read("root = \"/data\"\nthreads = 4\nallow_delete = false\n");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->root, "/data");
    EXPECT_EQ(config->threads, 4U);
    EXPECT_FALSE(config->allow_delete);
    EXPECT_EQ(config->queue, default_config().queue);
}

TEST_F(ConfigFile, OptionsGoOverTheFile) {
    std::ofstream(path_) << "root = \"/file\"\nthreads = 4\n";
    auto config = load_config(path_, {{"root", "/option"}, {"listen", ""}});
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->root, "/option");
    EXPECT_EQ(config->threads, 4U);
    EXPECT_EQ(config->listen, default_config().listen);
    // The database lies below the root that is used in the end.
    EXPECT_EQ(config->database, "/option/db");

    config = load_config("", {{"database", "/elsewhere"}});
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->root, default_config().root);
    EXPECT_EQ(config->database, "/elsewhere");

    config = load_config(path_, {{"threads", "1"}});
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message,
              "--threads: threads = 1 is not allowed, but: 2 … 256");
    EXPECT_FALSE(load_config("/nonexistent", {}));
}

TEST_F(ConfigFile, NamesLineAndNearestSetting) {
    EXPECT_EQ(problem("\nthread = 4\n"),
              ":2: unknown setting \"thread\"; did you mean \"threads\"?");
    EXPECT_EQ(problem("threads = 1\n"),
              ":1: threads = 1 is not allowed, but: 2 … 256");
    EXPECT_EQ(problem("threads = \"4\"\n"),
              ":1: threads must be a whole number");
    EXPECT_EQ(problem("threads = -4\n"),
              ":1: threads = -4 is not allowed, but: 2 … 256");
    EXPECT_EQ(problem("log_level = \"loud\"\n"),
              ":1: log_level = loud is not allowed, but: debug info warning "
              "error");
    EXPECT_EQ(problem("allow_delete = 1\n"),
              ":1: allow_delete must be true or false");
    EXPECT_EQ(problem("root = \n").substr(0, 3), ":1:");
}

TEST(Config, DefaultsAreInRange) {
    auto config = default_config();
    EXPECT_EQ(config.max_manifest_bytes, 4U << 20);
    EXPECT_EQ(config.socket_mode, "0660");
    EXPECT_EQ(socket_mode_bits(config), 0660U);
    EXPECT_EQ(config.threads, 8U);
    EXPECT_EQ(config.upload_max_age_s, 604800U);
    EXPECT_TRUE(config.sparse_indexes);
    EXPECT_TRUE(check_config(config));
}

TEST(Config, WholeIsChecked) {
    auto config = default_config();
    config.root = "relative";
    EXPECT_FALSE(check_config(config));
    config = default_config();
    for (const auto* listen : {"ipc://relative", "ipc:///", "ipc://@abstract",
                               "tcp://127.0.0.1:1", "/run/registryd.sock"}) {
        config.listen = listen;
        EXPECT_FALSE(check_config(config)) << listen;
    }
    config.listen = "ipc:///run/registryd.sock";
    EXPECT_TRUE(static_cast<bool>(check_config(config)));
}

TEST(Config, PageIsThatOfTheTable) {
    std::ifstream in(LS_SOURCE_DIR "/docs/registryd.conf.md");
    std::stringstream text;
    text << in.rdbuf();
    EXPECT_EQ(text.str(), settings_markdown())
        << "renew it: registryd --help-settings > docs/registryd.conf.md";
}

TEST(Config, SampleIsAccepted) {
    auto config = read_config(LS_SOURCE_DIR "/conf/registryd.conf");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(check_config(*config));
}

}  // namespace
}  // namespace longshore
