package layer3

// Delay is how many samples later than in the input a sample appears in the
// output of a decoder, less the 529 samples that are the decoder's share by
// convention.
const Delay = 528

// DecoderDelay is a decoder's share.
const DecoderDelay = 528 + 1

// maxParts is how many granules of one channel a frame has at most.
const maxParts = 4

// An Encoder encodes one stream. It is not safe for concurrent use.
type Encoder struct {
	Config
	limit  int // of the reservoir, in bytes
	layout *bandLayout
	steps  *stepTable
	codes  *codebook
	banks  [2]filterbank

	x       [maxParts][lines]float64
	spectra [maxParts]spectrum
	midSide [maxParts]spectrum // spectra, if sum and difference are coded
	parts   [maxParts]granule
	rate    rateControl

	frames    int64
	side      bitWriter
	main      bitWriter
	reservoir reservoir
}

// New returns an encoder of a stream.
func New(c Config) (*Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &Encoder{
		Config: c,
		limit:  c.reservoirBytes(),
		layout: newBandLayout(c.Rate),
		steps:  newStepTable(),
		codes:  codes(),
	}
	e.reservoir.limit = e.limit
	for i := range e.banks {
		e.banks[i].trig = constants()
	}
	return e, nil
}

// Encode encodes a frame, FrameSamples samples of each channel, interleaved. It
// appends to dst the frames that are complete, of which there may be none.
func (e *Encoder) Encode(dst []byte, pcm []int16) []byte {
	parts := e.granules() * e.Channels
	for i := range parts {
		gr, ch := i/e.Channels, i%e.Channels
		e.banks[ch].transform(&e.x[i], pcm[gr*lines*e.Channels+ch:], e.Channels)
		e.spectra[i].set(&e.x[i], e.layout)
	}
	spectra := e.spectra[:parts]
	midSide := e.useMidSide()
	if midSide {
		spectra = e.midSide[:parts]
	}

	size := e.FrameBytes(e.frames)
	padded := size > e.shortFrame()
	room := size - e.HeaderBytes()
	begin := e.reservoir.free()
	e.encodeParts(spectra, room, begin)

	e.side.reset()
	e.main.reset()
	header := e.Header(padded, midSide)
	e.side.buf = append(e.side.buf, header[:]...)
	writeSideInfo(&e.side, e.Config, begin, e.parts[:parts])
	for i := range parts {
		writeFactors(&e.main, &e.parts[i])
		if e.parts[i].bits > 0 {
			e.codes.write(&e.main, &e.parts[i], &spectra[i], &e.layout.edges)
		}
	}
	e.main.align()
	e.frames++
	return e.reservoir.add(dst, e.side.buf, room, e.main.buf)
}

// Flush appends to dst the frames that have not left yet. The encoder cannot be
// used any more.
func (e *Encoder) Flush(dst []byte) []byte { return e.reservoir.flush(dst) }
