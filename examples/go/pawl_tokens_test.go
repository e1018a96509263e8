package pawltokens

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

type vector struct{ Name, Token string }

// The published tokens through the middleware, over HTTP, with the key set from a real server.
func TestPublishedTokens(t *testing.T) {
	var vectors struct {
		Now              int64
		Issuer, Audience string
		JWKS             json.RawMessage
		Good, Bad        []vector
	}
	text, err := os.ReadFile("../../tests/vectors/tokens.json")
	if err != nil || json.Unmarshal(text, &vectors) != nil || len(vectors.Good) == 0 || len(vectors.Bad) < 25 {
		t.Fatal("no vectors", err)
	}
	asked := 0
	// The third answer is as slow as the test wants it.
	asking, answer := make(chan bool), make(chan bool)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 3 {
			asking <- true
			<-answer
		}
		w.Write(vectors.JWKS)
	}))
	defer keys.Close()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, Claims(r)["sub"]) })
	settings := Settings{Issuer: vectors.Issuer, Audience: vectors.Audience, JWKSURL: keys.URL}
	settings.Clock = func() time.Time { return time.Unix(vectors.Now, 0) }
	pawl := New(settings)
	any := httptest.NewServer(pawl.Require(page))
	defer any.Close()
	settings.MaxAge = 5 * time.Second
	fresh := httptest.NewServer(New(settings).Require(page))
	defer fresh.Close()

	expect := func(name, url, token string, status int, challenge string) {
		request, _ := http.NewRequest("GET", url, nil)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if said := answer.Header.Get("WWW-Authenticate"); answer.StatusCode != status || said != challenge {
			t.Errorf("%s: %d %s", name, answer.StatusCode, said)
		}
	}
	const stronger = `Bearer error="insufficient_user_authentication", acr_values="urn:pawl:acr:totp"`
	for _, good := range vectors.Good {
		expect(good.Name, any.URL, good.Token, 200, "")
		expect(good.Name, fresh.URL, good.Token, 401, stronger+`, max_age="5"`)
	}
	unknown := ""
	for _, bad := range vectors.Bad {
		if bad.Name == "kid-unknown" {
			unknown = bad.Token
		}
		expect(bad.Name, any.URL, bad.Token, 401, strings.Replace(stronger, "insufficient_user_authentication", "invalid_token", 1))
	}
	expect("no token", any.URL, "", 401, stronger)
	if asked != 2 {
		t.Errorf("the key set was fetched %d times, not once for each middleware", asked)
	}
	pawl.asked = time.Time{}
	slow := make(chan bool, 1)
	go func() {
		_, err := pawl.check(unknown)
		slow <- err != nil
	}()
	<-asking
	expect("while the key set is fetched", any.URL, vectors.Good[0].Token, 200, "")
	if len(slow) != 0 {
		t.Error("a known key waited for the key set")
	}
	close(answer)
	if !<-slow {
		t.Error("an unknown key passed")
	}
	if !t.Failed() {
		fmt.Printf("Go: %d passed, %d refused\n", len(vectors.Good), len(vectors.Bad))
	}
}
