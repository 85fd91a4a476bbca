#!/bin/sh
# Makes film.mp4 and poster.jpg again, byte for byte with one version of ffmpeg.
# Needs ffmpeg with drawtext and the DejaVu fonts; usher itself needs neither.
set -eu
cd "$(dirname "$0")"

serif=/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf
mono=/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf
title="drawtext=fontfile=$serif:fontcolor=white"
exact="-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact"

# 48 seconds: a slow sky, a lamp that crosses it, the time in a corner (a seek can be read off the
# picture), a title card for the first four seconds. A key frame every two seconds.
ffmpeg -v error -y \
  -f lavfi -i "gradients=size=640x360:rate=24:duration=48:seed=7:nb_colors=4:c0=0x10163a:c1=0x5b2a6e:c2=0xc8553d:c3=0x0b4f6c:speed=0.02" \
  -f lavfi -i "color=c=0xffe9b0:size=26x26:rate=24:duration=48" \
  -f lavfi -i "sine=frequency=220:duration=48:beep_factor=4" \
  -filter_complex "[1]format=yuva420p,geq=lum='p(X,Y)':a='255*lt(hypot(X-13,Y-13),13)'[lamp];
    [0][lamp]overlay=x='20+mod(t*52,580)':y='210+70*sin(t*1.3)'[sky];
    [sky]drawbox=y=300:h=60:color=black@0.45:t=fill,
    $title:text='The Stand-in':fontsize=54:x=(w-tw)/2:y=110:alpha='if(lt(t,3),1,max(0,4-t))',
    $title:text='a film that is nobody else’s':fontsize=20:x=(w-tw)/2:y=185:alpha='if(lt(t,3),1,max(0,4-t))',
    drawtext=fontfile=$mono:fontcolor=white:fontsize=28:x=24:y=317:text='%{pts\:hms}'[v];
    [2]volume=0.12,afade=t=in:d=2,afade=t=out:st=46:d=2[a]" \
  -map "[v]" -map "[a]" -c:v libx264 -threads 1 -preset slow -profile:v high -level 3.1 -pix_fmt yuv420p \
  -g 48 -keyint_min 48 -sc_threshold 0 -b:v 150k -maxrate 220k -bufsize 440k \
  -c:a aac -b:a 40k -movflags +faststart $exact film.mp4

ffmpeg -v error -y \
  -f lavfi -i "gradients=size=400x600:rate=1:duration=1:seed=7:nb_colors=4:c0=0x10163a:c1=0x5b2a6e:c2=0xc8553d:c3=0x0b4f6c:x0=40:y0=0:x1=360:y1=600" \
  -vf "drawbox=x=24:y=24:w=352:h=552:color=white@0.5:t=2,
    $title:text='The':fontsize=40:x=(w-tw)/2:y=190, $title:text='Stand-in':fontsize=62:x=(w-tw)/2:y=240,
    $title:text='a film that is nobody else’s':fontsize=17:x=(w-tw)/2:y=330" \
  -frames:v 1 -q:v 4 $exact poster.jpg
