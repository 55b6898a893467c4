package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// The form of the files in sdks/vectors, described by the README there.

type reply struct {
	Status  int
	Headers map[string]string
	Body    string
	Pad     int
	Down    bool
	Hang    bool
}

type config struct {
	Issuer                string
	Audience              []string
	Algorithms            []string
	ClockToleranceSeconds *float64
	MaxStaleSeconds       *float64
	OnStaleStatus         Policy
	OnMissingStatus       Policy
}

type verdict struct {
	OK     bool
	Claims map[string]any
	Reason Reason
}

type vector struct {
	ID, Why, Call, Token string
	Config               json.RawMessage
	Gateway              map[string]*reply
	Expect               verdict
}

type vectorFile struct {
	Now     int64
	Config  json.RawMessage
	Gateway map[string]*reply
	Vectors []vector
	Scripts []script
}

func readVectors(t testing.TB, name string) *vectorFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	file := &vectorFile{}
	if err := json.Unmarshal(text, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// fakeGateway answers as a file says, and counts.
type fakeGateway struct {
	mu       sync.Mutex
	origin   string
	replies  map[string]*reply
	requests []string
	foreign  []string
}

func newFakeGateway(file *vectorFile, changes map[string]*reply) *fakeGateway {
	gateway := &fakeGateway{replies: map[string]*reply{}}
	gateway.change(file.Gateway)
	gateway.change(changes)
	issuer, _ := url.Parse(readConfig(file.Config, nil).Issuer)
	gateway.origin = issuer.Scheme + "://" + issuer.Host
	return gateway
}

func (g *fakeGateway) change(replies map[string]*reply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for path, reply := range replies {
		g.replies[path] = reply
	}
}

func (g *fakeGateway) asked(path string) (count int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, requested := range g.requests {
		if path == "*" || path == requested {
			count++
		}
	}
	return count
}

func (g *fakeGateway) answerFor(request *http.Request) *reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	if request.URL.Scheme+"://"+request.URL.Host != g.origin {
		g.foreign = append(g.foreign, request.URL.String())
		return &reply{Down: true}
	}
	g.requests = append(g.requests, request.URL.Path)
	for _, path := range []string{"*", request.URL.Path} {
		if reply := g.replies[path]; reply != nil {
			return reply
		}
	}
	return &reply{Status: 404}
}

func (g *fakeGateway) RoundTrip(request *http.Request) (*http.Response, error) {
	reply := g.answerFor(request)
	if reply.Hang {
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	if reply.Down {
		return nil, errors.New("connection refused")
	}
	response := &http.Response{StatusCode: max(reply.Status, 0), Header: http.Header{}, Request: request}
	if response.StatusCode == 0 {
		response.StatusCode = 200
	}
	for name, value := range reply.Headers {
		response.Header.Set(name, value)
	}
	body := reply.Body + strings.Repeat(" ", reply.Pad)
	if etag := response.Header.Get("ETag"); etag != "" && etag == request.Header.Get("If-None-Match") {
		response.StatusCode, body = 304, ""
	}
	response.Body = io.NopCloser(strings.NewReader(body))
	return response, nil
}

func readConfig(shared, own json.RawMessage) config {
	var c config
	_ = json.Unmarshal(shared, &c)
	if own != nil {
		c2 := c
		if err := json.Unmarshal(own, &c2); err != nil {
			panic(err)
		}
		c = c2
	}
	return c
}

func (c config) start(ctx context.Context, t testing.TB, gateway *fakeGateway, now func() time.Time) *Verifier {
	t.Helper()
	seconds := func(value *float64) time.Duration {
		if value == nil {
			return 0
		}
		if *value == 0 {
			return -1 // None, where 0 would be the default.
		}
		return time.Duration(*value * float64(time.Second))
	}
	v, err := New(ctx, Config{
		Issuer:          c.Issuer,
		Audience:        c.Audience,
		Algorithms:      c.Algorithms,
		ClockTolerance:  seconds(c.ClockToleranceSeconds),
		MaxStale:        seconds(c.MaxStaleSeconds),
		OnStaleStatus:   c.OnStaleStatus,
		OnMissingStatus: c.OnMissingStatus,
		HTTPClient:      &http.Client{Transport: gateway},
		Now:             now,
		OnFailure:       func(Failure) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func call(ctx context.Context, v *Verifier, name, token string) (map[string]any, error) {
	if name == "verifyEvent" {
		event, err := v.VerifyEvent(ctx, token)
		return event.All, err
	}
	claims, err := v.Verify(ctx, token)
	return claims.All, err
}

// differs says how an outcome differs from what was expected, or nothing.
func (expected verdict) differs(claims map[string]any, err error) string {
	if !expected.OK {
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Reason != expected.Reason {
			return fmt.Sprintf("got %v, not %s", err, expected.Reason)
		}
		return ""
	}
	if err != nil {
		return fmt.Sprintf("got %v, not ok", err)
	}
	for name, value := range expected.Claims {
		if got, found := claims[name]; !found || !reflect.DeepEqual(got, value) {
			return fmt.Sprintf("%s is %v, not %v", name, got, value)
		}
	}
	return ""
}

func TestVectors(t *testing.T) {
	for _, name := range []string{"good.json", "hostile.json", "odd.json", "lists.json", "events.json"} {
		file := readVectors(t, name)
		if len(file.Vectors) < 20 {
			t.Fatalf("%s holds only %d vectors", name, len(file.Vectors))
		}
		for _, vector := range file.Vectors {
			t.Run(vector.ID, func(t *testing.T) {
				gateway := newFakeGateway(file, vector.Gateway)
				now := func() time.Time { return time.Unix(file.Now, 0) }
				v := readConfig(file.Config, vector.Config).start(t.Context(), t, gateway, now)
				defer v.Close()
				_ = v.Ready(t.Context())
				claims, err := call(t.Context(), v, vector.Call, vector.Token)
				if wrong := vector.Expect.differs(claims, err); wrong != "" {
					t.Errorf("%s: %s", vector.Why, wrong)
				}
				if len(gateway.foreign) > 0 {
					t.Errorf("fetched %v", gateway.foreign)
				}
			})
		}
	}
}
