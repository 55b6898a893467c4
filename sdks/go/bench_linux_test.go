package verifier

import (
	"bytes"
	"compress/zlib"
	"crypto/rand"
	"encoding/base64"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkVerify puts the verifier beside the library it is built on, which checks signature, issuer, audience and exp with a
// key that is at hand, and knows no sessions. The two take turns, and the CPU time of this thread is what counts, so that a busy
// machine disturbs both alike: go test -bench Verify
func BenchmarkVerify(b *testing.B) {
	for _, id := range []string{"good-es256", "good-rs256", "good-eddsa"} {
		b.Run(id[5:], func(b *testing.B) {
			file, vector := goodVector(b, "good.json", id)
			now := func() time.Time { return time.Unix(file.Now, 0) }
			v := readConfig(file.Config, nil).start(b.Context(), b, newFakeGateway(file, nil), now)
			defer v.Close()
			if err := v.Ready(b.Context()); err != nil {
				b.Fatal(err)
			}
			keys := v.keys.current.Load().keys
			parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithIssuer("https://auth.example.com"),
				jwt.WithAudience("https://orders.example.com"), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now))
			library := func() error {
				_, err := parser.Parse(vector.Token, func(token *jwt.Token) (any, error) {
					return keys[token.Header["kid"].(string)].key, nil
				})
				return err
			}
			ours := func() error {
				_, err := v.Verify(b.Context(), vector.Token)
				return err
			}
			var mine, bare []float64
			for b.Loop() {
				mine, bare = append(mine, cpuOf(b, ours)), append(bare, cpuOf(b, library))
			}
			b.ReportMetric(median(mine), "verifier-ns")
			b.ReportMetric(median(bare), "library-ns")
			b.ReportMetric(median(mine)/median(bare), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpuOf is the CPU time of one call, in nanoseconds, measured over a hundred.
func cpuOf(b *testing.B, work func() error) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rounds = 100
	start := threadTime()
	for range rounds {
		if err := work(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(threadTime()-start) / rounds
}

func threadTime() int64 {
	var usage syscall.Rusage
	const thread = 1 // RUSAGE_THREAD
	_ = syscall.Getrusage(thread, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// A list of a million sessions, of which one in fifty has ended, takes at most 1 MB.
func TestMemoryOfAMillionSessions(t *testing.T) {
	random := make([]byte, 20_000*3)
	_, _ = rand.Read(random)
	statuses := make([]byte, 125_000)
	for i := 0; i < len(random); i += 3 {
		index := (int(random[i])<<16 | int(random[i+1])<<8 | int(random[i+2])) % 1_000_000
		statuses[index/8] |= 1 << (index % 8)
	}
	var compressed bytes.Buffer
	writer := zlib.NewWriter(&compressed)
	_, _ = writer.Write(statuses)
	_ = writer.Close()
	lst := base64.RawURLEncoding.EncodeToString(compressed.Bytes())

	before := heap()
	inflated, err := inflate(lst)
	if err != nil {
		t.Fatal(err)
	}
	held := merge(&statusList{ended: endedBits(inflated, 1)}, &statusList{ended: endedBits(inflated, 1)})
	inflated = nil
	grown := int64(heap()) - int64(before)
	if grown > 1_000_000 {
		t.Errorf("%d bytes", grown)
	}
	t.Logf("%d bytes for a million sessions", grown)
	runtime.KeepAlive(held)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
