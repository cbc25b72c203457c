// A lossless source in C++: sends one run of synthetic frames under credit and checks the account.
//
// Written from docs/wire.md alone. On Debian it needs libzmq3-dev cppzmq-dev libmsgpack-cxx-dev.
//   g++ -std=c++17 -O2 -o sender sender.cpp -lzmq && ./sender ipc:///tmp/phenostream/ingest 20
// It stops with an error when the daemon goes away; sender.py shows how a run is resumed.
#define MSGPACK_NO_BOOST
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <msgpack.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>
#include <zmq.hpp>

constexpr int kSide = 256, kShots = 4;
constexpr auto kPatience = std::chrono::seconds(20);
using Packer = msgpack::packer<msgpack::sbuffer>;
using Answer = std::map<std::string, msgpack::object>;

// Header maps are written key by key: msgpack needs to know their length beforehand.
struct Header {
    msgpack::sbuffer bytes;
    Packer packer{bytes};
    Header(uint32_t keys, const std::string& type) {
        packer.pack_map(keys + 2);
        (*this)("v", 1)("type", type);
    }
    template <class Value>
    Header& operator()(const char* name, const Value& value) {
        packer.pack(std::string(name));
        packer.pack(value);
        return *this;
    }
};

uint64_t utc_ns() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// Version 4 of UUID is as good as version 7: the daemon only wants it lower case and unique.
std::string new_run() {
    std::random_device chance;
    char text[37];
    std::snprintf(text, sizeof text, "%08x-%04x-4%03x-a%03x-%08x%04x", chance(), chance() & 0xffff,
                  chance() & 0xfff, chance() & 0xfff, chance(), chance() & 0xffff);
    return text;
}

// Counts in the order shot, row, column: a disc that is bright on the lit side of each shot.
std::vector<uint16_t> picture(uint64_t seq) {
    std::vector<uint16_t> counts;
    std::minstd_rand chance(seq + 1);
    std::normal_distribution<float> noise(0.f, 0.01f);
    for (int shot = 0; shot < kShots; ++shot)  // left, right, top, bottom
        for (int row = 0; row < kSide; ++row)
            for (int column = 0; column < kSide; ++column) {
                const float x = column - 100.f - seq % 50, y = row - 100.f - seq % 50;
                const float lit[kShots] = {x, -x, -y, y};
                const float disc = lit[shot] * std::exp(-(x * x + y * y) / 30) / 20;
                counts.push_back(static_cast<uint16_t>(2000 * (1 + disc + noise(chance))));
            }
    return counts;
}

// One connection to the daemon, which speaks in maps of one part.
class Link {
public:
    explicit Link(const std::string& url) : socket_(context_, zmq::socket_type::dealer) {
        socket_.set(zmq::sockopt::linger, 0);
        socket_.set(zmq::sockopt::rcvtimeo, 1000 * static_cast<int>(kPatience.count()));
        socket_.connect(url);
    }
    void send(const Header& header) {
        socket_.send(zmq::const_buffer(header.bytes.data(), header.bytes.size()));
    }
    void send(const Header& header, const std::vector<uint16_t>& counts) {  // little-endian here
        const zmq::const_buffer head(header.bytes.data(), header.bytes.size());
        socket_.send(head, zmq::send_flags::sndmore);
        socket_.send(zmq::const_buffer(counts.data(), counts.size() * sizeof counts[0]));
    }
    Answer hear() {
        zmq::message_t part;
        if (!socket_.recv(part)) throw std::runtime_error("the daemon is silent");
        held_ = msgpack::unpack(part.data<char>(), part.size());
        auto answer = held_.get().as<Answer>();
        if (answer.at("type").as<std::string>() == "refused")
            throw std::runtime_error("refused: " + answer.at("reason").as<std::string>());
        return answer;
    }
    Answer hear(const std::string& type) {
        auto answer = hear();
        if (answer.at("type").as<std::string>() != type) throw std::runtime_error("no " + type);
        return answer;
    }

private:
    zmq::context_t context_;
    zmq::socket_t socket_;
    msgpack::object_handle held_;
};

int send_run(const std::string& url, uint64_t count) {
    const std::string run = new_run(), instrument = "reference-cpp";
    const std::vector<std::string> shots{"left", "right", "top", "bottom"};
    Link link(url);
    link.send(Header(1, "hello")("instrument", instrument));
    const auto credit = link.hear("welcome").at("credit_bytes").as<uint64_t>();
    link.send(Header(15, "start")("run", run)("instrument", instrument)("dtype", "u16")
        ("height", kSide)("width", kSide)("shots", shots)("bit_depth", 12)("dark_level", 0.)
        ("white_level", 4095.)("pixel_size_um", 0.686)("wavelength_um", 0.53)
        ("numerical_aperture", 0.5)("n_expected", count)("synthetic", true)
        ("source_utc_ns", utc_ns()));
    link.hear("started");
    const uint64_t size = kShots * kSide * kSide * sizeof(uint16_t);
    uint64_t sent = 0, acknowledged = 0;
    while (acknowledged < count) {
        // What is sent and not acknowledged stays within the credit; one frame is always allowed.
        const auto room = [&] { return (sent - acknowledged + 1) * size <= credit; };
        while (sent < count && (sent == acknowledged || room())) {
            const std::vector<int> shape{kShots, kSide, kSide};
            link.send(Header(5, "frame")("run", run)("frame_seq", sent)("shape", shape)
                ("dtype", "u16")("source_utc_ns", utc_ns()), picture(sent));
            ++sent;
        }
        const auto ack = link.hear("ack");
        std::cout << "frame " << ack.at("frame_seq") << ": " << ack.at("fate") << std::endl;
        ++acknowledged;
    }
    link.send(Header(2, "end")("run", run)("n_frames", count));
    const auto report = link.hear("report");
    std::cout << "report " << report.at("ledger") << std::endl;
    const auto ledger = report.at("ledger").as<std::map<std::string, uint64_t>>();
    return ledger.at("received") == count && ledger.at("published") == count ? 0 : 1;
}

int main(int argc, char** argv) try {
    if (argc != 3) throw std::runtime_error("usage: sender URL FRAMES");
    return send_run(argv[1], std::stoull(argv[2]));
} catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
}
