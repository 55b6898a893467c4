package verifier

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

// No token, whatever it is, panics or is accepted in another spelling than its own; run on with
// go test -fuzz FuzzToken.
func FuzzToken(f *testing.F) {
	file := readVectors(f, "hostile.json")
	for _, vector := range file.Vectors {
		f.Add(vector.Token)
	}
	_, good := goodVector(f, "good.json", "good-es256")
	f.Add(good.Token)
	accepted := map[string]bool{}
	for _, name := range []string{"good.json", "hostile.json", "odd.json", "lists.json"} {
		for _, vector := range readVectors(f, name).Vectors {
			accepted[vector.Token] = true
		}
	}
	v := readConfig(file.Config, nil).start(f.Context(), f, newFakeGateway(file, nil), func() time.Time { return time.Unix(file.Now, 0) })
	if err := v.Ready(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := v.Verify(t.Context(), token)
		if err == nil && !accepted[token] {
			t.Errorf("accepted %q for %v", token, claims)
		}
		if err != nil && ReasonOf(err) == "" {
			t.Errorf("%T is no *Error", err)
		}
		if _, err := v.VerifyEvent(t.Context(), token); err != nil && ReasonOf(err) == "" {
			t.Errorf("%T is no *Error", err)
		}
	})
}

// What is read as JSON here is read alike by a second reader: nothing is dropped, doubled or replaced.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":1}`, `{"a":{"a":1}}`, `{"a":1,"\u0061":2}`, `{"a":"\ud800"}`, `{"a":"\\ud800:"}`, `{"😀":"\ud83d\ude00"}`, `{"a":[[[]]]}`, `{"a":1e400}`, `{"":":\":"}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		object, ok := readJSON(base64.RawURLEncoding.EncodeToString([]byte(text)))
		if !ok {
			return
		}
		again, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := readJSON(base64.RawURLEncoding.EncodeToString(again)); !ok {
			t.Errorf("%s was read, and not read again as %s", text, again)
		}
	})
}

// No list, whatever its lst and bits, panics or takes more memory than it may.
func FuzzList(f *testing.F) {
	f.Add("eNrbuRgAAhcBXQ", 1)
	f.Add("eNrbuRgAAhcBXQ", 8)
	f.Add("AAAA", 2)
	f.Fuzz(func(t *testing.T, lst string, bits int) {
		statuses, err := inflate(lst)
		if err != nil {
			return
		}
		if len(statuses) > maxInflated {
			t.Fatal("too much")
		}
		if bits == 1 || bits == 2 || bits == 4 || bits == 8 {
			ended := endedBits(statuses, bits)
			if len(ended)*8 < len(statuses)*8/bits {
				t.Errorf("%d bytes of statuses of %d bits became %d", len(statuses), bits, len(ended))
			}
			list := &statusList{ended: ended}
			if merged := merge(list, &statusList{ended: []byte{1}}); len(merged.ended) < len(ended) || merged.ended[0]&1 != 1 {
				t.Error("merging lost something")
			}
		}
	})
}
