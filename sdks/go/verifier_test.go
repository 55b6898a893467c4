package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestConfigurationWithAGapIsRefused(t *testing.T) {
	for _, config := range []Config{
		{Audience: []string{"orders"}},
		{Issuer: "auth.example.com", Audience: []string{"orders"}},
		{Issuer: "https://auth.example.com"},
		{Issuer: "https://auth.example.com", Audience: []string{""}},
		{Issuer: "https://auth.example.com", Audience: []string{"orders"}, Algorithms: []string{"HS256"}},
		{Issuer: "https://auth.example.com", Audience: []string{"orders"}, OnStaleStatus: "maybe"},
	} {
		if _, err := New(t.Context(), config); err == nil {
			t.Errorf("%+v was accepted", config)
		}
	}
}

func TestTheErrorSaysWhy(t *testing.T) {
	file := readVectors(t, "good.json")
	const configuration = "https://auth.example.com/.well-known/openid-configuration"
	for name, test := range map[string]struct {
		reply *reply
		words string
	}{
		"another issuer": {&reply{Body: `{"issuer":"https://auth.example.com/"}`}, configuration + ` is the metadata of the issuer "https://auth.example.com/", this verifier is for "https://auth.example.com"`},
		"down":           {&reply{Down: true}, configuration + " cannot be fetched: "},
		"an error":       {&reply{Status: 502}, configuration + " answered 502"},
	} {
		t.Run(name, func(t *testing.T) {
			gateway := newFakeGateway(file, map[string]*reply{"/.well-known/openid-configuration": test.reply})
			v := readConfig(file.Config, nil).start(t.Context(), t, gateway, time.Now)
			defer v.Close()
			err := v.Ready(t.Context())
			if ReasonOf(err) != KeysUnavailable || errors.Unwrap(err) == nil || !strings.Contains(err.Error(), test.words) {
				t.Error(err)
			}
		})
	}
	v, token := startFor(t, "good.json", "good-es256", nil)
	if _, err := v.Verify(t.Context(), "Bearer "+token); !strings.Contains(fmt.Sprint(err), `"Bearer " in front`) {
		t.Error(err)
	}
}

func TestAnErrorHoldsNoPartOfTheToken(t *testing.T) {
	for _, name := range []string{"hostile.json", "events.json"} {
		file := readVectors(t, name)
		v := readConfig(file.Config, nil).start(t.Context(), t, newFakeGateway(file, nil), func() time.Time { return time.Unix(file.Now, 0) })
		for _, vector := range file.Vectors {
			_, err := call(t.Context(), v, vector.Call, vector.Token)
			if text := fmt.Sprintf("%+v", err); strings.Contains(text, "user-1") || strings.Contains(text, "evil") || strings.Contains(text, "token-1") {
				t.Errorf("%s: %s", vector.ID, text)
			}
		}
		v.Close()
	}
}

func TestAClockFarOffIsNamed(t *testing.T) {
	file, vector := goodVector(t, "good.json", "good-es256")
	for _, test := range []struct {
		off   time.Duration
		words string
	}{{time.Hour, "ahead of"}, {0, ""}} {
		gateway := newFakeGateway(file, nil)
		gateway.replies["/.well-known/jwks.json"].Headers["date"] = time.Unix(file.Now, 0).UTC().Format(http.TimeFormat)
		var failures []string
		v, _ := New(t.Context(), Config{
			Issuer: "https://auth.example.com", Audience: []string{"https://orders.example.com"},
			HTTPClient: &http.Client{Transport: gateway},
			Now:        func() time.Time { return time.Unix(file.Now, 0).Add(test.off) },
			OnFailure:  func(failure Failure) { failures = append(failures, failure.Err.Error()) },
		})
		_ = v.Ready(t.Context())
		_, err := v.Verify(t.Context(), vector.Token)
		if test.off == 0 {
			if err != nil || len(failures) > 0 {
				t.Error(err, failures)
			}
		} else if !strings.Contains(fmt.Sprint(err), "the token has expired, but this host's clock is 3600 s ahead of") || len(failures) == 0 {
			t.Error(err, failures)
		}
		v.Close()
	}
}

func TestWithoutOnFailureOneWarningIsLogged(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	file := readVectors(t, "good.json")
	v, err := New(t.Context(), Config{
		Issuer: "https://auth.example.com", Audience: []string{"orders"},
		HTTPClient: &http.Client{Transport: newFakeGateway(file, map[string]*reply{"*": {Down: true}})},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	_, _ = v.Ready(t.Context()), v.Ready(t.Context())
	if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "openid-configuration cannot be fetched") {
		t.Error(log.String())
	}
}

// A real server and a real client: what the fake transport of the vectors cannot show.
func TestOverTheNetwork(t *testing.T) {
	file, vector := goodVector(t, "good.json", "good-es256")
	redirected := false
	mux := http.NewServeMux()
	for path, reply := range file.Gateway {
		mux.HandleFunc("GET /inside"+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(reply.Body)) })
	}
	mux.HandleFunc("GET /elsewhere", func(http.ResponseWriter, *http.Request) { redirected = true })
	server := httptest.NewServer(mux)
	defer server.Close()
	start := func(base string) *Verifier {
		v, err := New(t.Context(), Config{
			Issuer: "https://auth.example.com", Audience: []string{"https://orders.example.com"}, BaseURL: base,
			Now: func() time.Time { return time.Unix(file.Now, 0) }, OnStaleStatus: Refuse, OnFailure: func(Failure) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	v := start(server.URL + "/inside")
	if err := v.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), vector.Token); err != nil {
		t.Error(err)
	}
	if state := v.State(); !state.Usable || len(state.Keys.Kids) != 3 || len(state.Lists) != 1 || state.Lists[0].Expired {
		t.Errorf("%+v", state)
	}
	mux.HandleFunc("GET /moved/.well-known/openid-configuration", func(w http.ResponseWriter, request *http.Request) {
		http.Redirect(w, request, "/elsewhere", http.StatusFound)
	})
	if err := start(server.URL + "/moved").Ready(t.Context()); ReasonOf(err) != KeysUnavailable || redirected {
		t.Error("a redirect was followed", err)
	}
}

func TestARequestThatIsGivenUpWaitsNoLonger(t *testing.T) {
	file, vector := goodVector(t, "good.json", "good-es256")
	v := readConfig(file.Config, nil).start(t.Context(), t, newFakeGateway(file, map[string]*reply{"*": {Hang: true}}), time.Now)
	defer v.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := v.Verify(ctx, vector.Token); ReasonOf(err) != KeysUnavailable || time.Since(start) > time.Second {
		t.Error(err, time.Since(start))
	}
}

func TestAListenerThatPanicsDoesNotEndThePolling(t *testing.T) {
	file := readVectors(t, "good.json")
	v, err := New(t.Context(), Config{
		Issuer: "https://auth.example.com", Audience: []string{"orders"},
		HTTPClient: &http.Client{Transport: newFakeGateway(file, map[string]*reply{"*": {Down: true}})},
		OnFailure:  func(Failure) { panic("the log is full") },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Ready(t.Context()); ReasonOf(err) != KeysUnavailable {
		t.Error(err)
	}
}
