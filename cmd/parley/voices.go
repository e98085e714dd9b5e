package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/parley-go/parley/services/novasonic"
)

type voicesCommand struct {
	Model string `type:"name" default:"${default_model}" help:"Model id. Default: ${default}."`
}

func (c *voicesCommand) Run(con console) error {
	voices := novasonic.Voices(c.Model)
	if voices == nil {
		return usageError{fmt.Errorf("--model %s: it is not known: try %s, %s or %s", c.Model, novasonic.ModelV2, novasonic.ModelV25, novasonic.ModelV1)}
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	for _, v := range voices {
		note := ""
		if v.Polyglot {
			note = "and all others"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.ID, strings.Join(v.Languages, ", "), note)
	}
	return w.Flush()
}
