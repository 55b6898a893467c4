package verifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// source is the verifier's only way out to the network: bounded GETs that go to the gateway and nowhere else.
type source struct {
	issuer, published, reached string
	client                     *http.Client
	timeout                    time.Duration
	now                        func() time.Time
	// ahead is how many seconds this host's clock is ahead of the gateway's.
	ahead atomic.Int64
}

// errNotPublished: the gateway says that there is no such document; every other failure may pass.
var errNotPublished = errors.New("there is no such document")

type answer struct {
	changed bool
	body    []byte
	etag    string
	maxAge  time.Duration
}

const clockLimit = 60

var maxAge = regexp.MustCompile(`(?i)(?:^|[\s,])max-age=(\d{1,9})`)

func newSource(config *Config) *source {
	client := *config.HTTPClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &source{
		issuer:    config.Issuer,
		published: withSlash(config.Issuer),
		reached:   withSlash(config.BaseURL),
		client:    &client,
		timeout:   config.FetchTimeout,
		now:       config.Now,
	}
}

func withSlash(url string) string {
	if strings.HasSuffix(url, "/") {
		return url
	}
	return url + "/"
}

// locate turns a URL that the gateway published into the one to fetch, and reports false for a URL that does not lie
// under the issuer: such a one is never fetched (SSRF; ASVS 5.0 V9.1.3).
func (s *source) locate(published string) (string, bool) {
	rest, found := strings.CutPrefix(published, s.published)
	if !found {
		return "", false
	}
	parsed, err := url.Parse(published)
	if err != nil || strings.ContainsRune(parsed.Path, '\\') {
		return "", false
	}
	// Path is decoded, so that %2e%2e does not lead out of the issuer's tree either.
	for segment := range strings.SplitSeq(parsed.Path, "/") {
		if segment == "." || segment == ".." {
			return "", false
		}
	}
	return s.reached + rest, true
}

// get fetches a published URL; a 304 is an answer that has not changed. It fails on every other status but 200.
func (s *source) get(ctx context.Context, published, accept string, maxBytes int64, etag string) (*answer, error) {
	target, ok := s.locate(published)
	if !ok {
		return nil, fmt.Errorf("%s is not under the issuer %s, so it is not fetched", published, s.issuer)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be fetched: %w", target, err)
	}
	defer response.Body.Close()
	s.compareClocks(response.Header)
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		return &answer{}, nil
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s answered 404: %w", target, errNotPublished)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %d", target, response.StatusCode)
	}
	// Counted after gzip, so that a small reply cannot fill the memory.
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", target, err)
	}
	if int64(len(body)) > maxBytes {
		return nil, fmt.Errorf("%s answered more than %d bytes", target, maxBytes)
	}
	result := &answer{changed: true, body: body, etag: response.Header.Get("ETag")}
	if found := maxAge.FindStringSubmatch(response.Header.Get("Cache-Control")); found != nil {
		seconds, _ := strconv.Atoi(found[1])
		result.maxAge = time.Duration(seconds) * time.Second
	}
	return result, nil
}

// compareClocks reads RFC 9110 section 6.6.1, and RFC 9111 section 5.1 for a reply that a cache has kept.
func (s *source) compareClocks(header http.Header) {
	sent, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	age, _ := strconv.Atoi(header.Get("Age"))
	s.ahead.Store(int64(s.now().Sub(sent).Seconds()) - int64(age))
}

// clockError says how far this host's clock is from the gateway's, where that is more than a minute; else "".
func (s *source) clockError() string {
	ahead := s.ahead.Load()
	switch {
	case ahead > clockLimit:
		return fmt.Sprintf("this host's clock is %d s ahead of the gateway's", ahead)
	case ahead < -clockLimit:
		return fmt.Sprintf("this host's clock is %d s behind the gateway's", -ahead)
	}
	return ""
}
