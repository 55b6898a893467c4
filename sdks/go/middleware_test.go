package verifier

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// goodVector finds a token by the name of its vector.
func goodVector(t testing.TB, name, id string) (*vectorFile, *vector) {
	t.Helper()
	file := readVectors(t, name)
	for i := range file.Vectors {
		if file.Vectors[i].ID == id {
			return file, &file.Vectors[i]
		}
	}
	t.Fatalf("%s has no vector %s", name, id)
	return nil, nil
}

func startFor(t testing.TB, name, id string, gateway map[string]*reply) (*Verifier, string) {
	t.Helper()
	file, vector := goodVector(t, name, id)
	now := func() time.Time { return time.Unix(file.Now, 0) }
	v := readConfig(file.Config, vector.Config).start(t.Context(), t, newFakeGateway(file, gateway), now)
	t.Cleanup(v.Close)
	return v, vector.Token
}

func TestMiddleware(t *testing.T) {
	v, token := startFor(t, "good.json", "good-roles", nil)
	_, ended := goodVector(t, "odd.json", "odd-token-of-an-ended-session")
	down, _ := startFor(t, "good.json", "good-roles", map[string]*reply{"*": {Down: true}})
	hello := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		claims, ok := FromContext(request.Context())
		if !ok {
			t.Error("the handler finds no claims")
		}
		_, _ = w.Write([]byte(claims.Subject))
	})
	for _, test := range []struct {
		name, authorization string
		handler             http.Handler
		status              int
		body, challenge     string
	}{
		{"a good token", "Bearer " + token, v.Middleware()(hello), 200, "user-1", ""},
		{"the scheme in another case", "bearer  " + token, v.Middleware()(hello), 200, "user-1", ""},
		{"one of its roles", "Bearer " + token, v.Middleware("boss", "admin")(hello), 200, "user-1", ""},
		{"no header", "", v.Middleware()(hello), 401, `"code":"A0230"`, `Bearer error="invalid_token", error_description="token_missing"`},
		{"another scheme", "Basic " + token, v.Middleware()(hello), 401, `"code":"A0230"`, `Bearer error="invalid_token", error_description="token_missing"`},
		{"an ended session", "Bearer " + ended.Token, v.Middleware()(hello), 401, `"code":"A0230"`, `Bearer error="invalid_token", error_description="session_ended"`},
		{"no such role", "Bearer " + token, v.Middleware("boss")(hello), 403, `"code":"A0312"`, `Bearer error="insufficient_scope", error_description="role_missing"`},
		{"an outage is no 401", "Bearer " + token, down.Middleware()(hello), 503, `"code":"B0320"`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequest("GET", "/", nil)
			if test.authorization != "" {
				request.Header.Set("Authorization", test.authorization)
			}
			recorder := httptest.NewRecorder()
			test.handler.ServeHTTP(recorder, request)
			if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.body) {
				t.Errorf("%d %s", recorder.Code, recorder.Body)
			}
			if got := recorder.Header().Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("WWW-Authenticate: %s", got)
			}
			if test.status == 503 && recorder.Header().Get("Retry-After") != "5" {
				t.Error("no Retry-After")
			}
		})
	}
}
