package audio

import "slices"

// Remix appends src, interleaved with from channels, to dst with to channels:
//
//   - to as many: a copy;
//   - from one: every channel gets it;
//   - to more (stereo to 5.1): the first from channels are copied and the others
//     are silent;
//   - to fewer: every channel gets the mean of all, so that nothing that was
//     said on any channel is lost and nothing clips.
//
// A last incomplete frame of src is ignored; so is everything if from or to is
// not positive. dst and src must not overlap.
func Remix(dst, src []int16, from, to int) []int16 {
	if from <= 0 || to <= 0 {
		return dst
	}
	n := len(src) / from
	src = src[:n*from]
	if from == to {
		return append(dst, src...)
	}
	at := len(dst)
	dst = slices.Grow(dst, n*to)[:at+n*to]
	out := dst[at:]
	switch {
	case from == 1 && to == 2:
		for i, s := range src {
			out[2*i], out[2*i+1] = s, s
		}
	case from == 2 && to == 1:
		for i := range out {
			out[i] = int16((int(src[2*i]) + int(src[2*i+1])) >> 1)
		}
	case from > 1 && from < to:
		for i := range n {
			frame := out[i*to : (i+1)*to]
			clear(frame[copy(frame, src[i*from:(i+1)*from]):])
		}
	default:
		for i := range n {
			fill(out[i*to:(i+1)*to], mean(src[i*from:(i+1)*from]))
		}
	}
	return dst
}

func fill(s []int16, v int16) {
	for i := range s {
		s[i] = v
	}
}

// mean rounds down, as the shift in Remix does.
func mean(s []int16) int16 {
	sum := 0
	for _, v := range s {
		sum += int(v)
	}
	if sum < 0 {
		sum -= len(s) - 1
	}
	return int16(sum / len(s))
}

// Interleave appends to dst the frames that have a sample of each of the given
// channels, in that order. A channel shorter than the longest is silent at its
// end.
func Interleave(dst []int16, channels ...[]int16) []int16 {
	n := 0
	for _, c := range channels {
		n = max(n, len(c))
	}
	at, k := len(dst), len(channels)
	dst = slices.Grow(dst, n*k)[:at+n*k]
	out := dst[at:]
	for ch, c := range channels {
		for i, s := range c {
			out[i*k+ch] = s
		}
		for i := len(c); i < n; i++ {
			out[i*k+ch] = 0
		}
	}
	return dst
}

// Channel appends one channel of the interleaved src to dst. ch counts from 0;
// if it is not one of the given number of channels, nothing is appended.
func Channel(dst, src []int16, channels, ch int) []int16 {
	if ch < 0 || ch >= channels {
		return dst
	}
	n := len(src) / channels
	dst = slices.Grow(dst, n)
	for i := range n {
		dst = append(dst, src[i*channels+ch])
	}
	return dst
}
