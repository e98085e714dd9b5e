package timeline

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canvas writes elements of an SVG.
type canvas struct{ bytes.Buffer }

// px is a length or a position in pixels, as short as it can be written.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// escaped is text that may stand in an element or an attribute. What XML cannot
// hold becomes U+FFFD.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// rect draws a rectangle with what it is called when it is pointed at; "" is no
// name.
func (c *canvas) rect(class string, x, y, w, h, round float64, name string) {
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, px(x), px(y), px(w), px(h))
	if round > 0 {
		fmt.Fprintf(c, ` rx="%s"`, px(round))
	}
	if name == "" {
		c.WriteString("/>\n")
		return
	}
	fmt.Fprintf(c, "><title>%s</title></rect>\n", escaped(name))
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, px(x1), px(y1), px(x2), px(y2))
}

func (c *canvas) text(class string, x, y float64, text string) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s">%s</text>`+"\n", class, px(x), px(y), escaped(text))
}

// path draws a path with a name.
func (c *canvas) path(class, d, name string) {
	fmt.Fprintf(c, `<path class="%s" d="%s"><title>%s</title></path>`+"\n", class, d, escaped(name))
}

// letter is about how wide one is, at the size in which speech is written.
const letter = 5.8

// fitting returns as much of a text as fits into so many lines of a width; none
// if that is not worth it.
func fitting(text string, w float64, lines int) []string {
	room := int((w - 8) / letter)
	if room < 4 {
		return nil
	}
	var fit []string
	words := strings.Fields(text)
	for len(words) > 0 && len(fit) < lines {
		line := words[0]
		words = words[1:]
		for len(words) > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(words[0]) <= room {
			line += " " + words[0]
			words = words[1:]
		}
		more := len(words) > 0 && len(fit) == lines-1
		if runes := []rune(line); len(runes) > room || more && len(runes) == room {
			line = string(runes[:room-1]) + "…"
		} else if more {
			line += "…"
		}
		fit = append(fit, line)
	}
	return fit
}

// The colours are Okabe and Ito's, which the colour-blind can tell apart.
const style = `
text { font: 11px system-ui, "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1f2933 }
.page { fill: #ffffff }
.title { font-size: 15px; font-weight: 600 }
.key, .axis { fill: #52606d }
.lane { fill: #52606d; text-anchor: end }
.axis { font-size: 10px; text-anchor: middle }
.note { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }
.grid { stroke: #e4e7eb; stroke-width: 1 }
.rest { fill: #f5f7fa }
.beyond { fill: #eceff3 }
.caller { fill: #009e73 }
.agent { fill: #d55e00 }
.cutoff { fill: #b3261e }
.said { fill: #ffffff; font-size: 10px }
.opening { fill: #ffffff; stroke: #9aa5b1; stroke-dasharray: 2 2 }
.standby { fill: #f7ecb0 }
.listening { fill: #b7def5 }
.draining { fill: #ecc9dc }
.closing { fill: #d3d8de }
.outline { fill: none; stroke: #7b8794; stroke-width: 1 }
.heard { fill: #009e73 }
.spoke { fill: #d55e00 }
.replay { fill: url(#hatch); stroke: #00664a; stroke-width: 1 }
.arrow { fill: none; stroke: #00664a; stroke-width: 1.5 }
.cut { stroke: #1f2933; stroke-width: 1.5; stroke-dasharray: 4 3 }
.badge { fill: #1f2933 }
.number { fill: #ffffff; font-size: 10px; font-weight: 600; text-anchor: middle }
.barge { fill: #b3261e }
.bargeline { stroke: #b3261e; stroke-width: 1.5 }
.died { fill: none; stroke: #b3261e; stroke-width: 2.5 }
`

const hatch = `<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
	`<rect width="6" height="6" fill="#ffffff" fill-opacity="0.55"/><line x1="0" y1="0" x2="0" y2="6" stroke="#009e73" stroke-width="3"/></pattern>`
