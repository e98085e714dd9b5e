#!/usr/bin/env bash
# Makes the recordings and the agent's clips in this folder anew, and prints when
# each utterance is spoken, for bikeshop.yaml. Needs flite, sox, ffmpeg and soxi.
#
# The pauses of a caller are as long as the emulator's answers, so run it again
# when an answer's text changes.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

readonly caller_rate=16000 agent_rate=24000

# say VOICE STRETCH FILE TEXT [EFFECT...]: speaks into a 16 kHz WAV, silence at
# both ends cut off, at -6 dBFS.
say() {
	local voice=$1 stretch=$2 file=$3 text=$4
	shift 4
	flite -voice "$voice" --setf duration_stretch="$stretch" -t "$text" -o "$work/raw.wav"
	sox -R "$work/raw.wav" -r $caller_rate -b 16 -c 1 "$file" "$@" \
		silence 1 0.02 0.4% reverse silence 1 0.02 0.4% reverse \
		pad 0.02 0.03 norm -6
}

# ---- the agent: a man's voice, 24 kHz MP3 ----

# clip NAME TEXT
clip() {
	local name=$1 text=$2
	say rms 0.88 "$work/$name.wav" "$text"
	ffmpeg -nostdin -loglevel error -y -i "$work/$name.wav" -ar $agent_rate -ac 1 -c:a libmp3lame -b:a 48k \
		-map_metadata -1 -id3v2_version 0 -write_id3v1 0 "clips/$name.mp3"
	printf '  - {text: "%s", file: clips/%s.mp3}\n' "$text" "$name"
}

mkdir -p clips
rm -f clips/*.mp3
echo "clips:"
clip welcome "Riverside Bicycles, good morning. How can I help you?"
clip repair "Of course. What is wrong with it?"
clip brakes "That sounds like new brake pads, and a shorter chain."
clip oneday "We can do both in one day."
clip mon "On Monday we are open from nine to six."
clip tue "On Tuesday we are open from nine to six."
clip wed "On Wednesday we are open from nine to six."
clip thu "On Thursday we are open from nine to six."
clip fri "On Friday we are open from nine to six."
clip sat "On Saturday we are open from ten to four."
clip sun "I am afraid that we are closed on Sunday."
clip anyday "Monday to Friday from nine to six, and Saturday from ten to four."
clip booked "Very good. I have put you down for Saturday at ten."
clip goodbye "Goodbye, and ride safely."
clip service1 "With pleasure. First we clean the whole bicycle, and check the frame for cracks."
clip service2 "Then we adjust the gears and the brakes, and replace every cable that is worn."
clip service3 "After that we true both wheels, grease the bearings, and pump up the tires."
clip service4 "And at the end, one of us takes it for a ride around the block."
clip price "A full service is ninety pounds. Parts are extra."
clip twodays "Two days. If you bring it on Monday, you have it back on Wednesday."
clip lunch "I am sorry, we are at lunch. We are back at half past one."
clip bakery "Please don't. The bakery next door will take it in for us."
clip welcomes "You are welcome. See you soon."
clip yousaid "You said:"
clip noanswer "I am sorry, I cannot look that up right now."

# ---- the callers ----

length() { soxi -D "$1"; }
plus() { awk "BEGIN { s = 0; $(printf 's += %s; ' "$@") printf \"%.3f\", s }"; }

# begin FILE VOICE STRETCH [EFFECT...]: a new recording, a second of silence.
begin() {
	recording=$1 voice=$2 stretch=$3
	shift 3
	effects=("$@")
	at=0 n=0 parts=()
	printf '\n  - file: %s\n    utterances:\n' "$recording"
	pause 1.0
}

pause() {
	n=$((n + 1))
	sox -R -n -r $caller_rate -b 16 -c 1 "$work/part$n.wav" trim 0 "$1"
	parts+=("$work/part$n.wav")
	at=$(plus "$at" "$(length "$work/part$n.wav")")
}

speak() {
	n=$((n + 1))
	say "$voice" "$stretch" "$work/part$n.wav" "$1" "${effects[@]}"
	parts+=("$work/part$n.wav")
	local from=$at
	at=$(plus "$at" "$(length "$work/part$n.wav")")
	printf '      - {from: %.2f, to: %.2f, text: "%s"}\n' "$from" "$at" "$1"
}

# listen CLIP...: as long as the agent takes to answer and to say these, and a
# moment to think.
listen() {
	local seconds=1.9
	for c in "$@"; do seconds=$(plus "$seconds" "$(length "$work/$c.wav")" 0.1); done
	pause "$seconds"
}

# room LEVEL: joins the parts, with the faint noise of a quiet room.
room() {
	sox -R "${parts[@]}" "$work/dry.wav"
	sox -R "$work/dry.wav" "$work/hiss.wav" synth pinknoise vol "$1"
	sox -R -m -v 1 "$work/dry.wav" -v 1 "$work/hiss.wav" "$work/call.wav"
}

mp3() { # FILE
	ffmpeg -nostdin -loglevel error -y -i "$work/call.wav" -ar $caller_rate -ac 1 -c:a libmp3lame -b:a 40k \
		-map_metadata -1 -id3v2_version 0 -write_id3v1 0 "$1"
}

echo
echo "recordings:"

begin order.mp3 slt 0.92
speak "Hello. I would like to bring my bicycle in for a repair."
listen repair
speak "The front brake makes a terrible noise, and the chain keeps falling off."
listen brakes oneday
speak "That is good news. When are you open on Saturday?"
pause 0.8 # the tool
listen sat
speak "Then I will come on Saturday at ten."
listen booked
speak "Thank you very much. Goodbye."
listen goodbye
room 0.0006
mp3 order.mp3

begin bargein.wav awb 0.95
speak "Hi there. Can you tell me how a full service works?"
pause 1.0
pause 6.5 # into the second of four sentences
speak "Sorry, let me stop you there. How much does it cost?"
listen price
speak "And how long does it take?"
listen twodays
speak "That is all that I wanted to know. Goodbye."
listen goodbye
room 0.0006
sox -R "$work/call.wav" -r 8000 -b 16 bargein.wav

begin noisy.mp3 slt 0.9 pitch -250
speak "Hello, I am standing in front of your shop, and it is closed."
listen lunch
speak "Can I leave my bicycle at the door?"
listen bakery
speak "All right. Thank you for your help."
listen welcomes
sox -R "${parts[@]}" "$work/dry.wav"
seconds=$(length "$work/dry.wav")
# Traffic: a rumble that swells and fades, and passing cars.
sox -R -n -r $caller_rate -c 1 "$work/traffic.wav" synth "$seconds" brownnoise highpass 250 tremolo 0.15 45
sox -R -n -r $caller_rate -c 1 "$work/cars.wav" synth "$seconds" pinknoise bandpass 700 900h tremolo 0.09 90
# People: three of them, talking at the same time, at some distance.
for p in kal16:1.1:-150 awb:1.0:80 rms:0.9:-60; do
	IFS=: read -r who speed tune <<<"$p"
	flite -voice "$who" --setf duration_stretch="$speed" -o "$work/raw.wav" -t \
		"The weather has been fine all week, and the market is full of people. A pound of apples, two loaves of bread, and a dozen eggs, if you please. We take the number four bus to the station, and then we walk along the river until we come to the old bridge. They say that it will rain on Thursday, but nobody believes it."
	sox -R "$work/raw.wav" -r $caller_rate "$work/person-$who.wav" pitch "$tune" lowpass 2500 reverb 60 repeat 5 trim 0 "$seconds" norm -8
done
sox -R -m -v 0.5 "$work/traffic.wav" -v 0.6 "$work/cars.wav" \
	-v 0.2 "$work/person-kal16.wav" -v 0.2 "$work/person-awb.wav" -v 0.2 "$work/person-rms.wav" "$work/street.wav" highpass 150
# Twelve decibels below the speech.
rms() { sox "$1" -n stat 2>&1 | awk '/RMS.*amplitude/ { print $3 }'; }
sox "$work/dry.wav" "$work/spoken.wav" silence 1 0.02 0.5% -1 0.02 0.5%
gain=$(awk "BEGIN { print $(rms "$work/spoken.wav") / $(rms "$work/street.wav") / 10 ^ (12 / 20) }")
sox -R -m -v 0.8 "$work/dry.wav" -v "$(awk "BEGIN { print 0.8 * $gain }")" "$work/street.wav" "$work/call.wav"
mp3 noisy.mp3
