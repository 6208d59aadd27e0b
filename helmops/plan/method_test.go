package plan

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestMethodFor(t *testing.T) {
	t.Parallel()
	ours := func(method ApplyMethod) Record { return Record{Version: 3, Ours: true, ApplyMethod: method} }
	other := func(method ApplyMethod) Record { return Record{Version: 3, ApplyMethod: method} }
	const enabled, disabled = v1beta1.Enabled, v1beta1.Disabled
	const auto, left = v1beta1.ServerSideApplyAuto, ""
	for name, tt := range map[string]struct {
		setting string
		last    Record
		want    ApplyMethod
	}{
		"an install that says nothing":                      {left, Record{}, ServerSide},
		"an install that is disabled":                       {disabled, Record{}, ClientSide},
		"an install that is enabled":                        {enabled, Record{}, ServerSide},
		"enabled after client-side":                         {enabled, ours(ClientSide), ServerSide},
		"disabled after server-side":                        {disabled, ours(ServerSide), ClientSide},
		"auto keeps client-side":                            {auto, ours(ClientSide), ClientSide},
		"auto keeps server-side":                            {auto, ours(ServerSide), ServerSide},
		"auto keeps the client-side of Helm 4":              {auto, other(ClientSide), ClientSide},
		"auto keeps the server-side of Helm 4":              {auto, other(ServerSide), ServerSide},
		"auto keeps the client-side of Helm 3":              {auto, other(""), ClientSide},
		"auto after a record of an earlier version of ours": {auto, ours(""), ServerSide},
		"auto without a revision":                           {auto, Record{}, ServerSide},
		"left out keeps client-side":                        {left, ours(ClientSide), ClientSide},
		"left out keeps server-side":                        {left, ours(ServerSide), ServerSide},
		"left out keeps the client-side of Helm 4":          {left, other(ClientSide), ClientSide},
		"left out takes over from Helm 3":                   {left, other(""), ServerSide},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := MethodFor(tt.setting, tt.last); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestApplyMethodOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ApplyMethod{
		"ssa": ServerSide, "csa": ClientSide, "": "", "SSA": "", "hunter2": "",
	} {
		if got := ApplyMethodOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
