package ginauth

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"authgateway.internal/verifier"
	"github.com/gin-gonic/gin"
)

type vectors struct {
	Now     int64
	Gateway map[string]struct{ Body string }
	Vectors []struct{ ID, Token string }
}

func (v *vectors) RoundTrip(request *http.Request) (*http.Response, error) {
	reply, found := v.Gateway[request.URL.Path]
	if !found {
		return nil, errors.New("no such path")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(reply.Body)), Request: request}, nil
}

func TestGin(t *testing.T) {
	text, err := os.ReadFile("../../vectors/good.json")
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	token := ""
	for _, vector := range file.Vectors {
		if vector.ID == "good-roles" {
			token = vector.Token
		}
	}
	v, err := verifier.New(t.Context(), verifier.Config{
		Issuer: "https://auth.example.com", Audience: []string{"https://orders.example.com"},
		HTTPClient: &http.Client{Transport: &file},
		Now:        func() time.Time { return time.Unix(file.Now, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	hello := func(c *gin.Context) {
		if claims, ok := verifier.FromContext(c.Request.Context()); !ok || claims.Subject != Claims(c).Subject {
			t.Error("the request's context has no claims")
		}
		c.String(200, Claims(c).Subject)
	}
	router.GET("/orders", Auth(v), hello)
	router.GET("/admin", Auth(v, "admin"), hello)
	router.GET("/boss", Auth(v, "boss"), hello)
	for _, test := range []struct {
		path, token string
		status      int
		body        string
	}{
		{"/orders", token, 200, "user-1"},
		{"/admin", token, 200, "user-1"},
		{"/boss", token, 403, `"code":"A0312"`},
		{"/orders", "", 401, `"code":"A0230"`},
		{"/orders", token + "x", 401, `"code":"A0230"`},
	} {
		request := httptest.NewRequest("GET", test.path, nil)
		request.Header.Set("Authorization", "Bearer "+test.token)
		recorder := httptest.NewRecorder()
		router.ServeHTTP(recorder, request)
		if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.body) {
			t.Errorf("%s: %d %s", test.path, recorder.Code, recorder.Body)
		}
	}
}
