package verifier

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"math"
	"time"
)

// maxInflated is 64 million one-bit sessions. The reply is small and inflates: this is what stops a bomb.
const (
	maxInflated = 8 * 1024 * 1024
	defaultLife = 600
)

// statusList is one list that was believed: a bit for each session, 1 for one that has ended.
type statusList struct {
	ended               []byte
	issuedAt, expiresAt time.Time
	expiresElapsed, ttl time.Duration
}

var statusListToken = &tokenKind{"a status list", []string{"statuslist+jwt"}, nil}

// open believes a list (draft section 8.3) when the gateway signed it, as a list, for this very URI, and it has not expired.
func (s *statusLists) open(ctx context.Context, jwt, uri string) (*statusList, error) {
	parsed, refusal := parseForm(jwt, maxListBytes)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := s.keys.verifySignature(ctx, parsed, statusListToken); refusal != nil {
		return nil, refusal
	}
	claims, now := parsed.payload, s.config.Now()
	if claims["sub"] != uri {
		return nil, errors.New("the status list is of another URI")
	}
	if issuer, found := claims["iss"]; found && issuer != s.config.Issuer {
		return nil, errors.New("the status list was issued by another issuer")
	}
	if refusal := checkTimes(claims, now, s.config.ClockTolerance.Seconds()); refusal != nil {
		return nil, refusal
	}
	issued, found := claims["iat"].(float64)
	if !found {
		return nil, errors.New("the status list has no iat")
	}
	expires, found := claims["exp"].(float64)
	if !found {
		expires = issued + defaultLife
	}
	list := &statusList{issuedAt: dateOf(issued), expiresAt: dateOf(expires), ttl: defaultTTL}
	list.expiresElapsed = s.elapsed() + lifeFrom(latest(now, list.issuedAt), list.expiresAt)
	if ttl, ok := claims["ttl"].(float64); ok && ttl >= 1 {
		list.ttl = time.Duration(math.Min(ttl, longestTTL.Seconds()) * float64(time.Second))
	}
	published, _ := claims["status_list"].(map[string]any)
	lst, _ := published["lst"].(string)
	bits, _ := published["bits"].(float64)
	if bits != 1 && bits != 2 && bits != 4 && bits != 8 {
		return nil, errors.New("the status list has odd bits")
	}
	statuses, err := inflate(lst)
	list.ended = endedBits(statuses, int(bits))
	return list, err
}

// lifeFrom is at most a century, so that adding to it never overflows.
func lifeFrom(now, until time.Time) time.Duration {
	return min(until.Sub(now), 100*365*24*time.Hour)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func inflate(lst string) ([]byte, error) {
	compressed, ok := decodeBase64(lst)
	if !ok {
		return nil, errors.New("the lst of the status list is no base64url")
	}
	reader, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	statuses, err := io.ReadAll(io.LimitReader(reader, maxInflated+1))
	if err != nil {
		return nil, err
	}
	if len(statuses) > maxInflated {
		return nil, errors.New("the status list inflates to more than 8 MiB")
	}
	return bytes.Clone(statuses), nil // As long as it must be: ReadAll leaves room behind it.
}

// endedBits makes one bit for each session, from 1, 2, 4 or 8: every status but 0 (VALID) means that the session does not live.
func endedBits(statuses []byte, bits int) []byte {
	if bits == 1 {
		return statuses
	}
	perByte, mask := 8/bits, byte(1<<bits-1)
	ended := make([]byte, (len(statuses)*perByte+7)/8)
	for index := range len(statuses) * perByte {
		if statuses[index/perByte]>>(index%perByte*bits)&mask != 0 {
			ended[index/8] |= 1 << (index % 8)
		}
	}
	return ended
}

// merge: what either list says has ended has ended: an older copy, from a slow replica or a cache, brings no session back.
func merge(held, next *statusList) *statusList {
	if held == nil {
		return next
	}
	merged := *next
	if next.issuedAt.Before(held.issuedAt) {
		merged = *held
	}
	merged.ended = make([]byte, max(len(held.ended), len(next.ended)))
	copy(merged.ended, held.ended)
	for i, bits := range next.ended {
		merged.ended[i] |= bits
	}
	return &merged
}
