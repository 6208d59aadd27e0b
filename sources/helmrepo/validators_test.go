package helmrepo

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A date identifies an index only once it lies a minute in the past, and so does an ETag that is made of one.
func TestValidatorsIdentifyOneIndex(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	date := func(age time.Duration) string { return at.Add(-age).Format(http.TimeFormat) }
	ofDate := `"` + strconv.FormatInt(at.Add(-time.Second).Unix(), 16) + `-7d"`
	tests := map[string]struct {
		etag, modified, date string
		want                 Validators
	}{
		"nothing":                                {},
		"an ETag":                                {etag: `"a"`, date: date(0), want: Validators{ETag: `"a"`}},
		"an ETag and a date of now":              {`"a"`, date(0), date(0), Validators{ETag: `"a"`}},
		"an ETag and an old date":                {`"a"`, date(time.Hour), date(0), Validators{ETag: `"a"`}},
		"an ETag that is a date of now":          {ofDate, date(time.Second), date(0), Validators{}},
		"an ETag that is a date, a minute later": {ofDate, date(time.Second), date(-time.Minute), Validators{ETag: ofDate}},
		"a date of now":                          {"", date(0), date(0), Validators{}},
		"a date of a moment ago":                 {"", date(59 * time.Second), date(0), Validators{}},
		"a date of a minute ago": {"", date(time.Minute), date(0),
			Validators{LastModified: date(time.Minute)}},
		"a date ahead of the server":            {"", date(-time.Hour), date(0), Validators{}},
		"a date that cannot be read":            {"", "yesterday", date(0), Validators{}},
		"a server that does not say when it is": {"", date(time.Hour), "", Validators{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for key, value := range map[string]string{"ETag": tt.etag, "Last-Modified": tt.modified, "Date": tt.date} {
				if value != "" {
					h.Set(key, value)
				}
			}
			if got := validatorsOf(h); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Two indexes that were published within one second are both seen, with all validators that the server gives.
func TestAnIndexThatIsPublishedTwiceWithinASecondIsSeen(t *testing.T) {
	t.Parallel()
	published := time.Now()
	for name, etag := range map[string]string{
		"by date": "", "by an ETag of the date": `"` + strconv.FormatInt(published.Unix(), 16) + `-1"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := "first!"
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if etag != "" {
					w.Header().Set("ETag", etag)
				}
				http.ServeContent(w, r, "index.yaml", published, strings.NewReader(content))
			}))
			defer server.Close()
			r := open(t, Options{URL: server.URL})
			var first, second bytes.Buffer
			have, _, err := r.FetchIndex(t.Context(), Validators{}, &first)
			if err != nil {
				t.Fatal(err)
			}
			content = "second"
			if _, unchanged, err := r.FetchIndex(t.Context(), have, &second); err != nil || unchanged ||
				second.String() != content {
				t.Errorf("got %q, unchanged %v, %v", second.String(), unchanged, err)
			}
		})
	}
}

// An ETag is asked about alone: a server that looks at the date as well could say that a newer index is unchanged.
func TestAnETagIsSentWithoutTheDate(t *testing.T) {
	t.Parallel()
	var sent http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent = r.Header }))
	defer server.Close()
	have := Validators{ETag: `"a"`, LastModified: time.Now().UTC().Format(http.TimeFormat)}
	if _, _, err := open(t, Options{URL: server.URL}).FetchIndex(t.Context(), have, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if sent.Get("If-None-Match") != have.ETag || sent.Get("If-Modified-Since") != "" {
		t.Errorf("sent %v", sent)
	}
}
