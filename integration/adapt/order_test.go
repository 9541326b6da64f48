package adapt

import (
	"encoding/json"
	"slices"
	"testing"
)

// handlers lists the handlers of an adapted configuration in the order in which
// a request meets them, with the group that a require names.
func handlers(t *testing.T, config []byte) []string {
	t.Helper()
	type route struct {
		Handle []json.RawMessage `json:"handle"`
	}
	var parsed struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Routes []route `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func([]route)
	walk = func(routes []route) {
		for _, r := range routes {
			for _, raw := range r.Handle {
				var h struct {
					Handler string  `json:"handler"`
					Routes  []route `json:"routes"`
					Rule    struct {
						Group []string `json:"group"`
					} `json:"rule"`
				}
				if err := json.Unmarshal(raw, &h); err != nil {
					t.Fatal(err)
				}
				if h.Handler == "subroute" {
					walk(h.Routes)
					continue
				}
				names = append(names, h.Handler)
				names = append(names, h.Rule.Group...)
			}
		}
	}
	walk(parsed.Apps.HTTP.Servers["srv0"].Routes)
	return names
}

// However a site is written, it finds out who somebody is, then asks whether he
// may, then serves him.
func TestOrder(t *testing.T) {
	const global = "{\n\tldap EXAMPLE {\n\t\tserver ldaps://dc1.example.com\n\t}\n}\n\n"
	for _, c := range []struct {
		name, site string
		want       []string
	}{
		{
			"in a site",
			"example.com {\n\treverse_proxy app.example.test:8080\n\trequire group B\n\trequire group A\n\tencode gzip\n\twindows_auth EXAMPLE\n\theader X-A b\n}\n",
			[]string{"headers", "windows_auth", "require", "B", "require", "A", "encode", "reverse_proxy"},
		},
		{
			"in handle",
			"example.com {\n\thandle {\n\t\treverse_proxy app.example.test:8080\n\t\trequire group B\n\t\trequire group A\n\t\twindows_auth EXAMPLE\n\t}\n}\n",
			[]string{"windows_auth", "require", "B", "require", "A", "reverse_proxy"},
		},
		{
			"require in handle",
			"example.com {\n\thandle /hr/* {\n\t\treverse_proxy hr.example.test:8080\n\t\trequire group HR\n\t}\n\thandle {\n\t\treverse_proxy app.example.test:8080\n\t}\n\trequire group Staff\n\twindows_auth EXAMPLE\n}\n",
			[]string{"windows_auth", "require", "Staff", "require", "HR", "reverse_proxy", "reverse_proxy"},
		},
		{
			"beside basic_auth",
			"example.com {\n\twindows_auth EXAMPLE\n\tbasic_auth {\n\t\talice $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\trespond ok\n}\n",
			[]string{"authentication", "windows_auth", "static_response"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := adapt("Caddyfile", []byte(global+c.site))
			if err != nil {
				t.Fatal(err)
			}
			if got := handlers(t, config); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
